"""catalog/feed.py: feeds in XML, and what is made to hurt."""

from __future__ import annotations

from pathlib import Path

import pytest

from samebut import catalog
from samebut.catalog.feed import MAX_DEPTH, is_feed
from samebut.errors import MetadataError

ITEM = "<item><image_link>{0}.jpg</image_link><title>{0}</title></item>"


def read(tmp_path: Path, content: str | bytes) -> catalog.Catalog:
    path = tmp_path / "feed.xml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return catalog.read(path)


def test_atom_and_any_prefix(tmp_path: Path) -> None:
    table = read(
        tmp_path,
        """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:x="http://base.google.com/ns/1.0">
        <title>Shop</title><entry><x:image_link>a.jpg</x:image_link><x:color>红</x:color></entry>
        </feed>""",
    )
    assert table.rows == {"a.jpg": {"color": "红"}}


@pytest.mark.parametrize("encoding", ["utf-16", "gb18030", "cp1252"])
def test_the_bytes_tell_the_encoding_not_the_declaration(tmp_path: Path, encoding: str) -> None:
    word = "连衣裙红色的裙子" if encoding != "cp1252" else "Müller"
    text = f'<?xml version="1.0" encoding="latin-7"?><rss>{ITEM.format(word)}</rss>'
    assert read(tmp_path, text.encode(encoding)).rows == {f"{word}.jpg": {"title": word}}


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE r [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE r [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE r SYSTEM "http://127.0.0.1/x.dtd">',
    ],
)
def test_a_document_type_is_refused(tmp_path: Path, doctype: str) -> None:
    for before in ("", '<?xml version="1.0"?>', "<!-- x -->"):
        with pytest.raises(MetadataError, match="has a document type"):
            read(tmp_path, f"{before}{doctype}<rss>{ITEM.format('&a;')}</rss>")


def test_what_is_cut_off_is_read_so_far_and_told(tmp_path: Path) -> None:
    table = read(tmp_path, f"<rss>{ITEM.format('a')}\n{ITEM.format('b')}\n<item><title>x</tit")
    assert list(table.rows) == ["a.jpg", "b.jpg"]
    assert [(each.line, each.reason) for each in table.unusable] == [
        (3, "is no XML (unclosed token); what stands behind it is not read")
    ]
    table = read(tmp_path, f"<rss>{ITEM.format('a')}<item>&unknown;</item></rss>")
    assert "undefined entity" in table.unusable[0].reason


def test_depth_is_bounded_for_one_item_alone(tmp_path: Path) -> None:
    def nested(depth: int) -> str:
        return f"<item>{'<a>' * depth}x{'</a>' * depth}<image_link>n.jpg</image_link></item>"

    for depth, reason in ((MAX_DEPTH - 1, None), (MAX_DEPTH, "is nested deeper"), (99_999, "is n")):
        table = read(tmp_path, f"<rss>{ITEM.format('a')}\n{nested(depth)}</rss>")
        assert ("n.jpg" in table.rows) == (reason is None)
        assert [e.reason.startswith(reason or "") for e in table.unusable] == [True] * bool(reason)


@pytest.mark.parametrize("text", ["<rss></rss>", "<rss><channel/></rss>", "<feed><title/>"])
def test_a_feed_without_items(tmp_path: Path, text: str) -> None:
    with pytest.raises(MetadataError, match="no product was found"):
        read(tmp_path, text)


@pytest.mark.parametrize("text", ["<html>", "file,title\n<rss>,x\n", "", "<", "<rsspec>"])
def test_what_is_no_feed(text: str) -> None:
    assert not is_feed(text)
