"""Making ``confidence.json``: queries with and without right answers, asked of val pictures."""
