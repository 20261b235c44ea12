"""A store on a PostgreSQL server with pgvector, searched there.

The rows and what is said of them are those of every store (`samebut.index.described`). Here is what
PostgreSQL has differently: connections and their errors, the schema, and the search.
"""
