"""samebut: find pictures by example plus words (composed image retrieval).

>>> from samebut import Gallery, Turn
>>> gallery, report = Gallery.build("photos")                                 # doctest: +SKIP
>>> gallery.search(Turn("shirt.jpg", "in blue"), k=5).hits                    # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samebut.answers import Hit, Results
    from samebut.gallery import Gallery
    from samebut.runtime import Model
    from samebut.turns import Turn

__version__ = "0.2.0"
__all__ = ["Gallery", "Hit", "Model", "Results", "Turn"]

_HOMES = {
    "Gallery": "samebut.gallery",
    "Hit": "samebut.answers",
    "Results": "samebut.answers",
    "Model": "samebut.runtime",
    "Turn": "samebut.turns",
}


def __getattr__(name: str) -> Any:
    """The public names, imported when first asked for: ``samebut --help`` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'samebut' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
