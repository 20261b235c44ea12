"""Several galleries on one server: each its own, and one that is broken stops no other."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from conftest import COLOURS, draw_picture
from samebut.commands import serve
from samebut.commands.galleries import Wanted, wanted
from samebut.errors import QueryError, SamebutError, StoreMissing
from samebut.gallery import Gallery
from samebut.serve.app import Member, create_site
from samebut.serve.settings import Settings
from serving import API, HOST, error_of, index

TOKEN = "correct horse battery"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("several")
    made = {}
    for name, shape in (("circles", "round"), ("方块", "square")):
        photos = root / name / "photos"
        photos.mkdir(parents=True)
        (photos / "squares").mkdir()
        for colour in list(COLOURS)[: 5 if shape == "round" else 3]:
            draw_picture(COLOURS[colour], shape).save(photos / f"{colour}-{shape}.png")
        index(photos)
        made[name] = photos
    return made


@contextmanager
def site_of(folders: dict[str, Path], settings: Settings | None = None) -> Iterator[TestClient]:
    settings = settings or Settings()
    with ExitStack() as opened:
        members: dict[str, Member] = {}
        for name, photos in folders.items():
            gallery = opened.enter_context(Gallery.open(photos, threads=1))
            members[name] = Member(gallery, settings)
        members["gone"] = Member(StoreMissing("it is not indexed"), settings)
        app = create_site(members, settings)
        yield opened.enter_context(
            TestClient(app, base_url=HOST, raise_server_exceptions=False, follow_redirects=False)
        )


@pytest.fixture(scope="module")
def site(folders: dict[str, Path]) -> Iterator[TestClient]:
    with site_of(folders) as client:
        yield client


def test_each_answers_at_its_name(site: TestClient) -> None:
    for name, count in (("circles", 5), ("方块", 3)):
        body = site.get(f"/g/{name}{API}/browse").json()
        assert body["total"] == count
        assert site.get(body["hits"][0]["thumbnail"]).status_code == 200
        page = site.get(f"/g/{name}/")
        assert f">{name}</b></a>" in page.text
        assert 'data-root=""' in page.text
        ask = {"turns": [{"text": "in blue"}]}
        assert len(site.post(f"/g/{name}{API}/search", json=ask).json()["hits"]) == count
        described = site.get(f"/g/{name}/openapi.json").json()
        assert site.get(f"{described['servers'][0]['url']}{API}/info").json()["pictures"] == count
    assert site.get("/g/circles?a=1").headers["location"] == "/g/circles/?a=1"
    for missing in ("/g/none/", f"/g/none{API}/info", f"{API}/browse", "/g/", "/g/circles/none"):
        error_of(site.get(missing), 404, "not_found")


def test_one_that_is_broken_is_named_and_stops_no_other(site: TestClient) -> None:
    for path in ("/", f"{API}/browse", f"{API}/ready"):
        error = error_of(site.get(f"/g/gone{path}"), 503, "gallery_unavailable")
        assert error["detail"] == "The gallery gone can't be opened."
    listed = site.get(f"{API}/galleries").json()["galleries"]
    assert [(each["name"], each["status"], each["pictures"]) for each in listed] == [
        ("circles", "ready", 5),
        ("方块", "ready", 3),
        ("gone", "unavailable", None),
    ]
    assert all(site.get(f"{each['address']}").status_code == 200 for each in listed[:2])
    assert site.get(f"{API}/ready").json() == {"status": "ready"}


def test_one_that_breaks_while_it_is_served_stops_no_other(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    copied = tmp_path / "photos"
    shutil.copytree(folders["circles"], copied)
    with site_of({"breaks": copied, "stays": folders["circles"]}) as site:
        for file in (copied / ".samebut").glob("gallery.sqlite*"):
            file.unlink()
        assert site.get(f"/g/breaks{API}/ready").status_code == 503
        assert site.get(f"/g/stays{API}/ready").status_code == 200
        assert site.get(f"{API}/ready").status_code == 200
        listed = site.get(f"{API}/galleries").json()["galleries"]
        assert [each["status"] for each in listed] == ["unavailable", "ready", "unavailable"]


def test_the_list_at_the_root(site: TestClient) -> None:
    page = site.get("/", headers={"Accept-Language": "zh"}).text
    assert "<h1" in page and "图库" in page
    assert 'href="./g/circles/"' in page
    assert 'href="./g/%E6%96%B9%E5%9D%97/"' in page
    assert "5 张图片" in page
    assert "<b>gone</b><p>无法打开" in page
    assert "<script" not in page
    assert site.get("/").headers["cache-control"] == "no-store"


def test_the_list_wants_the_token(folders: dict[str, Path]) -> None:
    settings = Settings(token=TOKEN, root_path="/photos")
    with site_of(folders, settings) as site:
        unknown = site.get("/")
        assert (unknown.status_code, unknown.headers["www-authenticate"]) == (401, "Bearer")
        assert "circles" not in unknown.text
        assert "This server needs a token." in unknown.text
        for path in (f"{API}/galleries", f"{API}/metrics", f"/g/circles{API}/browse"):
            error_of(site.get(path), 401, "token_needed")
        answer = site.get("/g/circles/", params={"token": TOKEN})
        assert answer.headers["location"] == "/photos/g/circles/"
        assert "path=/photos/;" in answer.headers["set-cookie"].lower()
        cookie = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}
        assert "circles" in site.get("/", headers=cookie).text
        hit = site.get(f"/g/circles{API}/browse", headers=cookie).json()["hits"][0]
        assert hit["picture"].startswith("/photos/g/circles/api/v1/pictures/")
        crossed = {**cookie, "Sec-Fetch-Site": "cross-site"}
        error_of(site.get(f"/g/circles{API}/browse", headers=crossed), 403, "other_site")


def test_searches_of_all_galleries_are_counted_together(folders: dict[str, Path]) -> None:
    ask = {"turns": [{"text": "in blue"}]}
    with site_of(folders, Settings(per_minute=2)) as site:
        for name in ("circles", "方块"):
            assert site.post(f"/g/{name}{API}/search", json=ask).status_code == 200
        answer = site.post(f"/g/circles{API}/search", json=ask)
        error_of(answer, 429, "too_many_requests")


def test_numbers_name_the_gallery(site: TestClient) -> None:
    lines = site.get(f"{API}/metrics").text.splitlines()
    assert 'samebut_pictures{gallery="circles"} 5' in lines
    assert sum(line.startswith("samebut_jobs{") for line in lines) == 3  # threads are shared


def test_galleries_of_one_model_share_it(folders: dict[str, Path]) -> None:
    models: dict[tuple[Path, str], object] = {}
    with ExitStack() as stack:
        found = []
        for name, photos in folders.items():
            one = Wanted(name, photos, None, None, None)
            gallery = serve._opened_or_error(one, _open, models)  # type: ignore[arg-type]
            assert isinstance(gallery, Gallery)
            found.append(stack.enter_context(gallery))
        assert found[0].model is found[1].model
    broken = Wanted("x", folders["circles"].parent, None, None, None)
    assert isinstance(serve._opened_or_error(broken, _open, {}), SamebutError)


def _open(each: Wanted) -> Gallery:
    return Gallery.open(each.photos, threads=1)


# ------------------------------------------------------------------------------- the command line


def test_one_folder_takes_its_options_as_they_are() -> None:
    (one,) = wanted([Path("a=b")], ["s"], [Path("t.csv")], ["file"])
    assert one == Wanted("", Path("a=b"), "s", Path("t.csv"), "file")
    with pytest.raises(QueryError, match="--store was given 2 times"):
        wanted([Path("a")], ["s", "t"], [], [])


def test_several_are_called_as_their_folders_or_as_said(tmp_path: Path) -> None:
    for name in ("Summer 2024", "shoes", "x=y"):
        (tmp_path / name).mkdir()
    said = [tmp_path / "Summer 2024", Path(f"靴子={tmp_path / 'shoes'}"), tmp_path / "x=y"]
    found = wanted(said, [f"靴子={tmp_path / 'store'}"], [Path("x-y=t.csv")], ["x-y=a=b"])
    first, second, third = found
    assert first == Wanted("Summer-2024", said[0], None, None, None)
    assert second == Wanted("靴子", tmp_path / "shoes", str(tmp_path / "store"), None, None)
    assert third == replace(third, name="x-y", metadata=Path("t.csv"), file_column="a=b")


@pytest.mark.parametrize(
    ("photos", "stores", "complaint"),
    [
        (["a/shop", "b/shop"], [], "another gallery is called shop"),
        (["a", "/"], [], "/ needs a name"),
        (["a", "b"], ["store"], "--store does not say which gallery"),
        (["a", "b"], ["c=store"], "--store does not say which gallery"),
    ],
)
def test_names_that_are_unclear(photos: list[str], stores: list[str], complaint: str) -> None:
    with pytest.raises(QueryError, match=complaint):
        wanted([Path(each) for each in photos], stores, [], [])
