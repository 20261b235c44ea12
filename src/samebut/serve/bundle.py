"""Bundles the page's modules into one script, so that a browser needs one request, not one for each
module.

A module becomes a function that is called once and returns what the module exports; what a module
imports comes before it. Only the syntax that the page's modules use is supported: named and
namespace imports of modules in the same folder, and exports at declarations. Anything else is an
error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_IMPORT = re.compile(
    r'^import (?:(?P<names>\{[^}]*\}|\* as \w+) from )?"\./(?P<module>[\w-]+)\.js";$', re.MULTILINE
)
_EXPORT = re.compile(
    r"^export (?=(?:const|class|(?:async )?function\*?) (?P<name>\w+))", re.MULTILINE
)
_NOT_READ = re.compile(r"^(?:import|export)\b.*$|\bimport\(.*$", re.MULTILINE)


def bundled(sources: Mapping[str, str], entry: str) -> str:
    """The script that does what the module ``entry`` does; ``sources`` are modules by name.

    Raises ValueError for a circle of imports, a module that is not there, and an import or export
    that is not read here.
    """
    ordered: dict[str, None] = {}
    _order(sources, entry, (), ordered)
    return "\n".join(_as_function(name, sources[name]) for name in ordered)


def _order(
    sources: Mapping[str, str], name: str, above: tuple[str, ...], ordered: dict[str, None]
) -> None:
    """Put into ``ordered`` what ``name`` imports, and then itself, unless they are there."""
    if name in above:
        raise ValueError(f"modules import each other: {' -> '.join((*above, name))}")
    if name not in sources:
        raise ValueError(f"there is no module {name} ({' -> '.join(above) or 'the first'})")
    if name in ordered:
        return
    for found in _IMPORT.finditer(sources[name]):
        _order(sources, found["module"], (*above, name), ordered)
    ordered[name] = None


def _as_function(name: str, source: str) -> str:
    exported = ", ".join(found["name"] for found in _EXPORT.finditer(source))
    body = _EXPORT.sub("", _IMPORT.sub(_binding, source))
    if unread := _NOT_READ.search(body):
        raise ValueError(f"{name}: the bundle can't hold {unread[0]!r}")
    return f"const {_variable(name)} = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();"


def _binding(found: re.Match[str]) -> str:
    names, module = found["names"], _variable(found["module"])
    if names is None:
        return ""
    if names.startswith("*"):
        return f"const {names.removeprefix('* as ')} = {module};"
    return f"const {names.replace(' as ', ': ')} = {module};"


def _variable(module: str) -> str:
    return "$" + module.replace("-", "_")
