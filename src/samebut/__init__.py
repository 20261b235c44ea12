"""samebut: find pictures by example plus words (composed image retrieval)."""

__version__ = "0.1.0"
