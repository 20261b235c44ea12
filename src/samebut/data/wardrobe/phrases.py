"""Items in words."""

from __future__ import annotations

from samebut.data.wardrobe.attributes import Item

_PATTERN_WORD = {
    "striped across": "striped",
    "striped down": "pinstriped",
    "checked": "checked",
    "dotted": "dotted",
    "floral": "floral",
    "gradient": "gradient",
}
_NECK = {"round": "a round neck", "V": "a V-neck", "square": "a square neck", "high": "a high neck"}
_COLLAR = {
    "pointed": "a collar",
    "band": "a band collar",
    "round": "a round collar",
    "lapel": "lapels",
}
_CLOSURE = {"buttons": "buttons", "zip": "a zip", "laces": "laces"}


def title(item: Item) -> str:
    """What a shop would call ``item``: "navy and white striped dress with short sleeves"."""
    words = [item.length if item.length not in ("", "regular") else "", item.colour]
    if item.second_colour:
        words.append(f"and {item.second_colour}")
    words += [_PATTERN_WORD.get(item.pattern, ""), item.shape, item.kind]
    details = [
        f"{item.sleeve} sleeves" if item.sleeve in ("short", "long") else "",
        "no sleeves" if item.sleeve == "sleeveless" else "",
        _NECK.get(item.neckline, ""),
        _COLLAR.get(item.collar, ""),
        "a hood" if item.hood == "yes" else "",
        _CLOSURE.get(item.closure, ""),
        "pockets" if item.pockets == "yes" else "",
        "a belt" if item.belt == "yes" else "",
        f"a {item.motif} print" if item.motif else "",
    ]
    told = [detail for detail in details if detail]
    ending = f" with {_listed(told)}" if told else ""
    return " ".join(word for word in words if word) + ending


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
