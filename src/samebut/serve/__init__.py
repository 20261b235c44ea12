"""The page and the API: a gallery searched from a browser."""
