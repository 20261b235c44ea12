"""Exports of shops: which rows describe which pictures.

In most tables a row describes the pictures in one column. Exports of shops spread a product over
several rows (its variants, its other pictures) or several columns. Each form of `FORMS` is
recognised by its header and turns the rows of a sheet into rows of pictures:

* Shopify's products: rows of one handle are a product; options have their names in cells.
* WooCommerce's products: a variation names its parent; attributes have their names in cells. Its
  header may be in one of five languages.
* Google Merchant's feeds, as text or XML: more pictures stand in columns of their own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from samebut.catalog.names import names_in
from samebut.catalog.sheet import SheetRow, TableSheet, UnusableRow, Values

Cells = Mapping[str, Values]

_NO_PICTURE = "names no picture"


@dataclass(frozen=True)
class CatalogRow:
    """The values of a row, and the pictures that it describes."""

    line: int
    pictures: Sequence[str]
    cells: Cells


@dataclass(frozen=True)
class ShopExport:
    """A shop's export: its name, the columns it is recognised by, and how its rows are read.

    ``rows`` gives those of pictures, and those that can't be used.
    """

    name: str
    known_by: Sequence[Sequence[str]]
    rows: Callable[[TableSheet], Iterator[CatalogRow | UnusableRow]]

    def fits(self, columns: Sequence[str]) -> bool:
        """Whether a table with these columns is of this form."""
        plain = set(map(plainly, columns))
        return all(any(name in plain for name in names) for names in self.known_by)


def form_of(columns: Sequence[str]) -> ShopExport | None:
    """The shop's form that a table with these columns has, if it has one."""
    return next((form for form in FORMS if form.fits(columns)), None)


def plainly(column: str) -> str:
    """A column's name without capitals, spaces, underscores and hyphens."""
    return re.sub(r"[\s_-]+", "", column).casefold()


def rows_of_pictures(
    sheet: TableSheet, pictures: str, *others: str
) -> Iterator[CatalogRow | UnusableRow]:
    """Rows of a table without a shop's form: each describes the pictures that these columns
    name."""
    for row in sheet.rows:
        names = _pictures(row.cells, (pictures, *others))
        if names:
            yield CatalogRow(row.line, names, _without(row.cells, (pictures, *others)))
        else:
            yield UnusableRow(row.line, _NO_PICTURE)


def _google(sheet: TableSheet) -> Iterator[CatalogRow | UnusableRow]:
    return rows_of_pictures(sheet, *_columns(sheet, *_GOOGLE_PICTURES))


def _shopify(sheet: TableSheet) -> Iterator[CatalogRow | UnusableRow]:
    handle = _columns(sheet, *_SHOPIFY_HANDLE)[0]
    own = _columns(sheet, *_SHOPIFY_PICTURE)
    of_variant = _columns(sheet, *_SHOPIFY_VARIANT_PICTURE)
    about_picture = _columns(sheet, "imageposition", "imagealttext")
    products: dict[str, list[SheetRow]] = {}
    for row in sheet.rows:
        key = _one(row.cells, handle)
        if key:
            products.setdefault(key, []).append(row)
        else:
            yield UnusableRow(row.line, f"has no '{handle}'")
    for rows in products.values():
        options = _options(rows)
        told = {row.line: _named(row.cells, options) for row in rows}
        whole = joined(told.values())
        pictures: dict[str, int] = {}
        variants: dict[str, list[Cells]] = {}
        shown: dict[str, list[Cells]] = {}
        for row in rows:
            for columns, rows_of in ((own, shown), (of_variant, variants)):
                for name in _pictures(row.cells, columns):
                    pictures.setdefault(name, row.line)
                    rows_of.setdefault(name, []).append(told[row.line])
        if not pictures:
            yield UnusableRow(
                rows[0].line, f"product '{_one(rows[0].cells, handle)}' has no picture"
            )
        for name, line in pictures.items():
            beside = joined(shown.get(name, ()))
            beside = {c: v for c, v in beside.items() if c in about_picture}
            cells = _without(whole, about_picture) | joined(variants.get(name, ())) | beside
            yield CatalogRow(line, [name], _without(cells, (*own, *of_variant)))


def _options(rows: Iterable[SheetRow]) -> dict[str, str]:
    """The column of each option's value, and the product's name for the option, which only the
    first row of a product has."""
    found: dict[str, str] = {}
    for row in rows:
        for column in row.cells:
            match = _OPTION.fullmatch(column)
            if match and (name := _one(row.cells, column)):
                for value in row.cells:
                    if plainly(value) == f"option{match[1]}value":
                        found.setdefault(value, name)
    return found


def _named(cells: Cells, options: Mapping[str, str]) -> dict[str, Values]:
    """``cells`` with each option under its own name."""
    found = {c: v for c, v in cells.items() if not _OPTION_PART.fullmatch(c)}
    for column, name in options.items():
        values = cells.get(column, ())
        if values and values != ("Default Title",):  # of a product without variants
            found[name] = _union(found.get(name, ()), values)
    return found


def _woocommerce(sheet: TableSheet) -> Iterator[CatalogRow | UnusableRow]:
    pictures = _columns(sheet, *_WOOCOMMERCE["images"])[0]
    parent_column = next(iter(_columns(sheet, *_WOOCOMMERCE["parent"])), "")
    keys = [(_columns(sheet, "id"), "id:"), (_columns(sheet, *_WOOCOMMERCE["sku"]), "")]
    by_key: dict[str, SheetRow] = {}
    for row in sheet.rows:
        for columns, before in keys:
            if columns and (key := _one(row.cells, columns[0])):
                by_key.setdefault(before + key, row)
    children: dict[int, list[SheetRow]] = {}
    parents: dict[int, SheetRow] = {}
    for row in sheet.rows:
        parent = by_key.get(_one(row.cells, parent_column))
        if parent is not None and parent is not row:
            children.setdefault(parent.line, []).append(row)
            parents[row.line] = parent
    for row in sheet.rows:
        own = _attributes(row.cells)
        names = _pictures(row.cells, (pictures,))
        if row.line in parents:
            if names:
                cells = _attributes(parents[row.line].cells) | own
                yield CatalogRow(row.line, names, _without(cells, (pictures,)))
        elif names:
            variants = [_attributes(child.cells) for child in children.get(row.line, ())]
            cells = joined(variants) | own
            yield CatalogRow(row.line, names, _without(cells, (pictures, parent_column)))
        elif not any(_pictures(c.cells, (pictures,)) for c in children.get(row.line, ())):
            yield UnusableRow(row.line, _NO_PICTURE)


def _attributes(cells: Cells) -> dict[str, Values]:
    """``cells`` with each attribute, which may list several values, under its own name."""
    parts = {column: part for column in cells if (part := _attribute_part(column))}
    listed = {number: column for column, (role, number) in parts.items() if role == "values"}
    found = {column: values for column, values in cells.items() if column not in parts}
    for column, (role, number) in parts.items():
        if role == "name" and (name := _one(cells, column)):
            lists = cells.get(listed.get(number, ""), ())
            values = [part.strip() for each in lists for part in _LISTED.split(each)]
            plain = tuple(value.replace("\\,", ",") for value in values if value)
            if plain:
                found[name] = _union(found.get(name, ()), plain)
    return found


@lru_cache(maxsize=4096)
def _attribute_part(column: str) -> tuple[str, str] | None:
    """``name``, ``values`` or ``more`` and the attribute's number; None of another column."""
    plain = plainly(column).replace("\u2019", "'")
    for role, forms in _WOOCOMMERCE_ATTRIBUTE.items():
        for form in forms:
            before, _, after = form.partition("#")
            number = plain.removeprefix(before).removesuffix(after)
            if number.isdecimal() and plain == f"{before}{number}{after}":
                return role, number
    return None


def _pictures(cells: Cells, columns: Iterable[str]) -> list[str]:
    cells_of = (cell for column in columns for cell in cells.get(column, ()))
    return list(dict.fromkeys(name for cell in cells_of for name in names_in(cell)))


def _columns(sheet: TableSheet, *names: str) -> list[str]:
    """Columns of these plain names; a second one of a name is told from the first by a number."""
    bare = {column: plainly(_NUMBER.sub("", column)) for column in sheet.columns}
    return [column for name in names for column in sheet.columns if bare[column] == name]


def _one(cells: Cells, column: str) -> str:
    return next(iter(cells.get(column, ())), "")


def _without(cells: Cells, columns: Iterable[str]) -> dict[str, Values]:
    left_out = set(columns)
    return {column: values for column, values in cells.items() if column not in left_out}


def joined(rows: Iterable[Cells]) -> dict[str, Values]:
    """Each column with its distinct values in all rows."""
    every = [*rows]
    if len(every) == 1:
        return {column: _union(values, ()) for column, values in every[0].items()}
    found: dict[str, dict[str, None]] = {}
    for cells in every:
        for column, values in cells.items():
            found.setdefault(column, {}).update(dict.fromkeys(values))
    return {column: tuple(values) for column, values in found.items()}


def _union(values: Values, more: Values) -> Values:
    return tuple(dict.fromkeys((*values, *more))) if more or len(values) > 1 else values


_NUMBER = re.compile(r" \(\d+\)$")
_OPTION = re.compile(r"option\s*(\d+) name", re.IGNORECASE)
_OPTION_PART = re.compile(r"option\s*\d+ (?:name|value|linked to)", re.IGNORECASE)
_LISTED = re.compile(r"(?<!\\),")
_SHOPIFY_HANDLE = ("handle", "urlhandle")
_SHOPIFY_PICTURE = ("imagesrc", "productimageurl")
_SHOPIFY_VARIANT_PICTURE = ("variantimage", "variantimageurl")
_GOOGLE_PICTURES = ("imagelink", "additionalimagelink", "lifestyleimagelink")
# Headers are in the language of the shop: English, German, French, Spanish, Chinese; written as
# `plainly` does. Cells such as "variation" and "id:7" are not translated.
_WOOCOMMERCE = {
    "images": ("images", "bilder", "imágenes", "图片"),
    "type": ("type", "typ", "tipo", "类型"),
    "sku": ("sku", "artikelnummer", "ugs"),
    "parent": ("parent", "übergeordnetesprodukt", "superior", "父级"),
}
_WOOCOMMERCE_ATTRIBUTE = {
    "name": (
        *("attribute#name", "attribut#name", "nomdel'attribut#", "nombredelatributo#"),
        "属性#名称",
    ),
    "values": (
        *("attribute#value(s)", "attribut#wert(e)", "valeur(s)del'attribut#"),
        *("valor(es)delatributo#", "属性#值"),
    ),
    "more": (
        *("attribute#visible", "attribute#global", "attribute#default"),
        *("attribut#sichtbar", "attribut#global", "attribut#standard"),
        *("attribut#visible", "attribut#pardéfaut", "atributovisible#", "atributoglobal#"),
        *("属性#可见", "属性#的全局", "属性#的默认值"),
    ),
}
_WOOCOMMERCE_HEADER = (
    _WOOCOMMERCE["images"],
    _WOOCOMMERCE["type"],
    (*_WOOCOMMERCE["sku"], "id"),
)

FORMS = (
    ShopExport("Shopify's products", (_SHOPIFY_HANDLE, _SHOPIFY_PICTURE), _shopify),
    ShopExport("WooCommerce's products", _WOOCOMMERCE_HEADER, _woocommerce),
    ShopExport("a Google Merchant feed", (("imagelink",),), _google),
)
