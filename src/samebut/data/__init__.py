"""Benchmarks as plain data: one reader a file. No torch here."""
