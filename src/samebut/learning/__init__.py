"""The learning wing: everything that imports torch. ``pip install 'samebut[train]'``."""
