"""Compositions that need no training: a picture and a text to one query, for any encoder.

``rows.py`` holds them as rows of a dict and reads a name such as ``slerp:0.65``; ``pairs.py`` are
those that score a picture twice, ``basic.py`` is BASIC, ``made.py`` what goes in and comes out.
"""
