"""A store on a PostgreSQL server with pgvector, searched there.

Rows and metadata are handled as in every store (`samebut.index.described`). This package holds what
differs in PostgreSQL: connections and their errors, the schema, and the search.
"""
