"""What ``benchmarks/people.py`` measures, a file for each kind of picture."""
