"""Training and export: everything that imports torch. ``pip install 'samebut[train]'``."""
