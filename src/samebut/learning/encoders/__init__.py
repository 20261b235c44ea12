"""Families of encoders, by the name that a recipe calls them by.

To add one, write a file with a class that offers what ``base.Encoder`` says, and a row here; the
contract tests and the documentation find it there (docs/models.md, "A family of your own").
"""

from __future__ import annotations

from samebut.learning.encoders.base import Encoder
from samebut.learning.encoders.efficientnet import EfficientNetEncoder
from samebut.learning.encoders.hub import (
    ChineseClipEncoder,
    ClipEncoder,
    MetaClip2Encoder,
    SiglipEncoder,
)
from samebut.learning.encoders.open_clip import OpenClipEncoder
from samebut.learning.encoders.small import SmallEncoder

ENCODERS: dict[str, type[Encoder]] = {
    "small": SmallEncoder,
    "efficientnet": EfficientNetEncoder,
    "clip": ClipEncoder,
    "metaclip_2": MetaClip2Encoder,
    "siglip": SiglipEncoder,
    "chinese_clip": ChineseClipEncoder,
    "open_clip": OpenClipEncoder,
}
