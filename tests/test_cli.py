"""cli.py: the real command, as a person and as a script use it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import COLOURS, draw_picture
from samebut.confidence import Calibration, Curve, Usual
from samebut.runtime import BUNDLED, Model


def samebut(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "samebut", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="surrogateescape",
        check=False,
        timeout=120,
        env={**os.environ, "PYTHONWARNINGS": "error", "COLUMNS": "100", **environment},
    )


@pytest.fixture
def indexed(photos: Path, tmp_path: Path) -> Path:
    table = tmp_path / "table.csv"
    rows = [f"{colour}-round.png,{colour}" for colour in COLOURS]
    table.write_text("file,colour\n" + "\n".join(rows))
    done = samebut("index", photos, "--metadata", table)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "10 pictures indexed: 10 encoded" in done.stderr
    assert "5 pictures have metadata" in done.stderr
    return photos


def test_search_prints_a_table(indexed: Path) -> None:
    done = samebut("search", indexed, "-i", indexed / "red-round.png", "-t", "in blue", "-k", 3)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["rank", "score", "path", "colour"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3"]
    remarks = ("confidence 0.", "None of these may be what you mean.")
    assert all(line.startswith(remarks) for line in done.stderr.splitlines())


def test_search_says_how_sure_a_calibrated_model_is(photos: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(BUNDLED, tmp_path / "model"))
    curves = {
        kind: Curve((0.0, 0.0, 0.0), bias, Usual(0.0, 1.0))
        for kind, bias in (("text", -3.0), ("picture", 0.0), ("composed", 3.0))
    }
    Calibration(Model.load(model).fingerprint, curves).write(model)  # type: ignore[arg-type]
    assert samebut("index", photos, "--model", model).returncode == 0
    unsure = samebut("search", photos, "-t", "zworblax", "-k", 2)
    assert unsure.stderr.splitlines() == ["confidence 0.05", "None of these may be what you mean."]
    sure = samebut("search", photos, "-i", photos / "red-round.png", "-t", "in blue", "-k", 2)
    assert sure.stderr.splitlines() == ["confidence 0.95"]
    said = samebut("search", photos, "-i", photos / "red-round.png", "--json")
    assert json.loads(said.stdout)["confidence"] == 0.5
    assert said.stderr == ""


def test_search_collapses_and_stops_below_a_threshold(indexed: Path) -> None:
    for colour in COLOURS:
        source = indexed / f"{colour}-round.png"
        shutil.copy(source, indexed / f"{colour}-round copy.png")
    assert samebut("index", indexed).returncode == 0
    done = samebut("search", indexed, "-t", "red", "-k", 20, "--collapse", "--json")
    hits = json.loads(done.stdout)["hits"]
    assert sum(1 + len(hit["copies"]) for hit in hits) == 15
    assert any(hit["copies"] for hit in hits)
    table = samebut("search", indexed, "-t", "red", "-k", 20, "--collapse").stdout
    assert table.splitlines()[0].split() == ["rank", "score", "path", "copies", "colour"]
    few = samebut(
        "search", indexed, "-t", "red", "-k", 20, "--min-score", hits[0]["score"] - 1e-4, "--json"
    )
    assert {hit["score"] for hit in json.loads(few.stdout)["hits"]} == {hits[0]["score"]}
    none = samebut("search", indexed, "-t", "red", "--min-confidence", 1)
    assert (none.returncode, none.stdout.splitlines()[1:]) == (0, [])
    assert "No hit is likely enough" in none.stderr


def test_search_says_why_and_what_a_picture_shows(indexed: Path) -> None:
    done = samebut("search", indexed, "-t", "red, not blue", "-k", 20, "--why")
    lines = {line.split()[2]: line for line in done.stdout.splitlines()}
    assert "✓ red, ✓ not blue" in lines["red-round.png"]
    assert "✗ red, ✗ not blue" in lines["blue-round.png"]
    hits = json.loads(samebut("search", indexed, "-t", "red", "--why", "--json").stdout)["hits"]
    assert {hit["why"][0]["from"] for hit in hits} == {"table", "picture"}
    look = samebut("search", indexed, "-i", indexed / "red-round.png", "--look")
    assert re.match(r"colour: \w+ 0\.\d\d, ", look.stdout)
    for wrong in (("--look", "-t", "red"), ("--look", "-i", "x.png", "-t", "red")):
        assert samebut("search", indexed, *wrong).returncode == 1


def test_search_with_several_pictures(indexed: Path) -> None:
    pictures = ("-i", indexed / "red-round.png", "-i", indexed / "blue-round.png")
    done = samebut("search", indexed, *pictures, "-t", "this shape, that colour", "--json")
    (lent,) = json.loads(done.stdout)["lent"]
    assert (lent["picture"], lent["value"], lent["say"]) == (1, "blue", "in blue")
    assert "read “that colour”: picture 2, in blue" in done.stderr
    alike = samebut("search", indexed, *pictures, "--weight", 9, "--weight", 0.1, "--json")
    other = samebut("search", indexed, *pictures, "--weight", 0.1, "--weight", 9, "--json")
    first, second = (json.loads(each.stdout)["hits"] for each in (alike, other))
    assert [hit["path"] for hit in first] != [hit["path"] for hit in second]
    many = samebut("search", indexed, "-t", "red", "--weight", 1)
    assert many.returncode == 1 and "there are 1 weights for 0 pictures" in many.stderr


def test_search_for_pipes(indexed: Path) -> None:
    ask = ("search", indexed, "-t", "换成蓝色", "-k", 2)
    paths = samebut(*ask, "--paths").stdout.splitlines()
    assert len(paths) == 2
    assert all(Path(path).exists() for path in paths)
    answer = json.loads(samebut(*ask, "--json").stdout)
    assert [hit["file"] for hit in answer["hits"]] == paths
    assert answer["gate"] is None
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2]


def test_search_says_which_filters_it_read(photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("file,brand,price\nred-round.png,Nike,20\nblue-round.png,Umbro,90\n")
    assert samebut("index", photos, "--metadata", table).returncode == 0
    ask = ("search", photos, "-t", "in red by Nike, under 50", "--json")
    done = samebut(*ask)
    answer = json.loads(done.stdout)
    assert [hit["path"] for hit in answer["hits"]] == ["red-round.png"]
    assert [(each["text"], each["outcome"]) for each in answer["filters"]] == [
        ("Nike", "applied"),
        ("under 50", "applied"),
    ]
    assert "read “Nike”: only pictures that pass \"brand\" = 'Nike'\n" in done.stderr
    assert "--no-read-filters" in done.stderr
    plain = samebut(*ask, "--no-read-filters")
    assert len(json.loads(plain.stdout)["hits"]) == 10
    assert "read" not in plain.stderr
    nothing = samebut("search", photos, "-t", "red, under 5")
    assert "read “under 5”: not applied, for nothing would pass" in nothing.stderr
    (photos / "labels.toml").write_text("[brand]\nzh = 3\n")
    assert "not read: " in samebut(*ask).stderr
    assert "brand.zh" in samebut("info", photos).stderr


def test_search_says_what_it_did_not_read(indexed: Path) -> None:
    long = "in blue, " * 60 + "striped"
    done = samebut("search", indexed, "-i", indexed / "red-round.png", "-t", long, "--json")
    assert done.returncode == 0
    (unread,) = json.loads(done.stdout)["unread"]
    assert unread.endswith("striped")
    assert done.stderr.strip() == f"not read, for the text is too long for the model: {unread}"


def test_several_turns(indexed: Path) -> None:
    red, blue = indexed / "red-round.png", indexed / "blue-round.png"
    one = samebut("search", indexed, "-i", red, "-t", "in blue", "--json")
    two = samebut("search", indexed, "-i", red, "-i", blue, "-t", "in blue", "-t", "x", "--json")
    three = samebut("search", indexed, "-i", red, "-t", "in blue", "-t", "striped", "--json")
    for done in (one, two, three):
        assert done.returncode == 0, done.stderr
    assert json.loads(one.stdout)["gate"] is not None
    assert len({done.stdout for done in (one, two, three)}) == 3


def test_another_fusion(indexed: Path) -> None:
    ask = ("search", indexed, "-i", indexed / "red-round.png", "-t", "in blue", "--json")
    own, plain = samebut(*ask), samebut(*ask, "--fusion", "sum")
    assert json.loads(plain.stdout)["gate"] == 0.5
    assert plain.stdout != own.stdout
    unknown = samebut(*ask, "--fusion", "film")
    assert unknown.returncode == 1
    assert "a fusion of its own, combiner. There are: keep:WEIGHT" in unknown.stderr
    asked = ("--fusion", "pdv", "--caption", "a red thing", "--rescore", "5")
    assert samebut(*ask, *asked).returncode == 0
    unwanted = samebut(*ask, "--not", "a dress", "--not-like", indexed / "green-round.png")
    assert "green-round.png" not in unwanted.stdout
    assert len(json.loads(unwanted.stdout)["hits"]) == 8


def test_a_filter(indexed: Path) -> None:
    ask = ("search", indexed, "-t", "x", "--paths", "--where")
    done = samebut(*ask, "colour in ('red', 'green')")
    names = {Path(line).name for line in done.stdout.splitlines()}
    assert names == {"red-round.png", "green-round.png"}
    wrong = samebut(*ask, "colur = 'red'")
    assert wrong.returncode == 1
    assert "colour" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_values_of_a_shop_compare_as_people_mean(photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "shop.csv"
    cells = ["$19.90", '"1,299.00"', "19.90 USD", '"10,50"', "ask us"]
    rows = [f"{colour}-round.png,{cell}" for colour, cell in zip(COLOURS, cells, strict=True)]
    table.write_text("file,price\n" + "\n".join(rows))
    assert samebut("index", photos, "--metadata", table).returncode == 0
    info = samebut("info", photos).stdout
    assert (
        "compared as prices in $ and USD; 1 of 5 as texts: 'ask us' (1); 5 pictures have no value"
    ) in info
    ask = ("search", photos, "-t", "x", "--paths", "--where")
    cheap = samebut(*ask, "price < 50")
    names = {Path(line).name for line in cheap.stdout.splitlines()}
    assert names == {"red-round.png", "green-round.png", "yellow-round.png"}
    none = samebut(*ask, "price > 5000")
    assert (none.returncode, none.stdout) == (0, "")
    assert "nothing passes the filter: price: no picture has > 5000; they go from" in none.stderr
    assert "confidence" not in none.stderr
    as_table = samebut(*ask[:4], "--where", "price > 5000")
    assert (as_table.returncode, as_table.stdout) == (0, "")


def test_a_contact_sheet(indexed: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "new" / "sheet.html"
    done = samebut("search", indexed, "-t", "in blue", "--html", sheet)
    assert done.returncode == 0, done.stderr
    assert "in blue" in sheet.read_text(encoding="utf-8")


def test_skipped_pictures_are_named_and_told_by_the_status(photos: Path) -> None:
    (photos / "broken.jpg").write_bytes(b"no picture")
    first, second = samebut("index", photos), samebut("index", photos)
    for done in (first, second):
        assert done.returncode == 3
        assert re.search(r"skipped +broken\.jpg: \S+", done.stderr)
    info = samebut("info", photos)
    assert info.returncode == 0
    assert re.search(r"skipped +broken\.jpg: \S+", info.stdout)
    assert "pictures   10" in info.stdout


def test_next_to_nothing_is_never_a_silent_success(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    done = samebut("index", empty)
    assert (done.returncode, f"{empty} holds no pictures that are read" in done.stderr) == (3, True)
    photos = tmp_path / "photos"
    photos.mkdir()
    draw_picture(COLOURS["red"], "round").save(photos / "1.png")
    (photos / "2.CR2").touch()
    done = samebut("index", photos)
    assert done.returncode == 0
    assert "not read   1 raw pictures of cameras: export them as JPEG" in done.stderr
    (photos / "3.NEF").touch()
    assert samebut("index", photos).returncode == 3


def test_what_is_left_out_is_an_option_and_is_said(photos: Path) -> None:
    (photos / "link").symlink_to(photos / "squares")
    (photos / ".samebutignore").write_text("blue*\n")
    done = samebut("index", photos, "--exclude", "red*", "--exclude", "/yellow*", "--no-follow")
    assert done.returncode == 0
    assert "5 pictures indexed" in done.stderr
    assert "not read   excluded: /yellow* (1), blue* (2), red* (2)" in done.stderr
    assert "not read   link: is a link, which --no-follow leaves out" in done.stderr
    again = samebut("index", photos, "--recheck")
    assert "8 pictures indexed: 3 encoded, 5 unchanged" in again.stderr
    wrong = samebut("index", photos, "--exclude", "/")
    assert wrong.returncode == 1
    assert "the pattern '/' can't match any file" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "PHOTOS", "-t", "x"], "samebut index"),
        (["search", "PHOTOS"], "nothing to search for"),
        (["index", "PHOTOS/none"], "is not a folder"),
        (["index", "PHOTOS", "--model", "PHOTOS"], "has no model.json"),
        (["index", "PHOTOS", "--metadata", "PHOTOS/none.csv"], "none.csv can't be read"),
        (["info", "PHOTOS"], "samebut index"),
        (["demo", "--out", "PHOTOS/red-round.png/demo"], "can't be created"),
    ],
)
def test_errors_are_sentences(photos: Path, arguments: list[str], said: str) -> None:
    done = samebut(*(argument.replace("PHOTOS", str(photos)) for argument in arguments))
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.skipif(sys.platform == "win32", reason="names are not bytes there")
def test_control_characters_of_names_and_cells_are_shown(photos: Path, tmp_path: Path) -> None:
    name = "a\x1b[31m\nred.png"
    (photos / "red-round.png").rename(photos / name)
    (photos / "bad\x1b]0;title\x07.jpg").write_text("no picture")
    table = tmp_path / "table.csv"
    table.write_text("file,ti\x1b[1mtle\nblue-round.png,\x1b[2Jcell\u202etxt\n", encoding="utf-8")
    indexed = samebut("index", photos, "--metadata", table)
    ask = ("search", photos, "-t", "in red", "-k", 20)
    answers = [indexed, samebut("info", photos), samebut(*ask), samebut(*ask, "--paths")]
    answers += [samebut(*ask, "--json"), samebut("doctor", "gallery", photos)]
    for done in answers:
        assert "Traceback" not in done.stderr
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", done.stdout + done.stderr)
    assert r"skipped    bad\x1b]0;title\x07.jpg: is not a picture" in indexed.stderr
    assert r"ti\x1b[1mtle: \x1b[2Jcell\u202etxt (1)" in answers[1].stdout
    assert f"{photos}/a\\x1b[31m\\nred.png" in answers[3].stdout.splitlines()
    hits = json.loads(answers[4].stdout)["hits"]
    assert name in [hit["path"] for hit in hits]
    names = samebut(*ask, "--print0").stdout.split("\0")
    assert names[:-1] == [hit["file"] for hit in hits]
    assert names[-1] == ""


def test_bytes_that_are_no_text_are_an_error_in_words(indexed: Path) -> None:
    broken = "\udcff"
    for options in (["-t", broken], ["-t", "x", "--where", broken], ["-i", broken]):
        done = samebut("search", indexed, *options)
        assert done.returncode == 1
        assert done.stderr.startswith("samebut: ")
        assert "Traceback" not in done.stderr
    assert (
        "“\\xff” holds bytes that are not UTF-8" in samebut("search", indexed, "-t", broken).stderr
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_behind_the_results_is_told(indexed: Path) -> None:
    command = [sys.executable, "-m", "samebut", "search", str(indexed), "-t", "x"]
    for options in ([], ["--json"], ["--paths"], ["--print0"]):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [*command, *options], stdout=full, stderr=subprocess.PIPE, text=True, check=False
            )
        assert done.returncode == 1
        assert "samebut: the results can't be written: no space left on device" in done.stderr
        assert "Exception ignored" not in done.stderr
    with Path("/dev/full").open("w") as full:  # behind remarks: the work goes on
        index = [sys.executable, "-m", "samebut", "index", str(indexed)]
        assert subprocess.run(index, stderr=full, check=False).returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end otherwise there")
def test_a_closed_pipe_ends_quietly(indexed: Path) -> None:
    for options in ("", "--json", "--print0"):
        command = f'"{sys.executable}" -m samebut search "{indexed}" -t x {options}'
        script = f"{{ {command}; echo status $? >&2; }} | true"
        done = subprocess.run(
            ["sh", "-c", script], capture_output=True, text=True, check=False, timeout=120
        )
        said = [line for line in done.stderr.splitlines() if not line.startswith("confidence")]
        assert said in (["status 1"], ["None of these may be what you mean.", "status 1"])
    closed = f'exec "{sys.executable}" -m samebut search "{indexed}" -t x >&- 2>&-'
    assert subprocess.run(["sh", "-c", closed], check=False, timeout=120).returncode == 0


def faulty(body: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What the command does when ``body``, the body of a command "fail", is run."""
    program = (
        f"import samebut.cli as cli\n@cli.app.command()\ndef fail(token: str = ''):\n    {body}\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program + "cli.main()", "fail", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_no_traceback_reaches_anybody(tmp_path: Path) -> None:
    done = faulty("1 / 0", "--token", "a-long-secret", TMPDIR=str(tmp_path))
    assert done.returncode == 70
    first, second = done.stderr.splitlines()
    assert first == "samebut: a fault of samebut's own: ZeroDivisionError: division by zero"
    (log,) = tmp_path.iterdir()
    assert second.endswith(str(log))
    assert "Please report it" in second
    written = log.read_text(encoding="utf-8")
    assert "ZeroDivisionError" in written and "samebut fail --token ..." in written
    assert "a-long-secret" not in written
    assert (log.stat().st_mode & 0o077) == 0
    log.unlink()
    faulty("1 / 0", "--token=a-long-secret", TMPDIR=str(tmp_path))
    (log,) = tmp_path.iterdir()
    assert "samebut fail --token=..." in log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("raise PermissionError(13, 'Permission denied', '/x')", 1, "/x: permission denied"),
        ("raise MemoryError", 1, "there is not enough memory for this"),
        ("raise KeyError('\\x1b[31m')", 70, r"KeyError: '\x1b[31m'"),
        ("import threading; t = threading.Thread(target=[].pop); t.start(); t.join()", 0,
         "a fault of samebut's own: IndexError: pop from empty list"),
    ],
)  # fmt: skip
def test_whatever_goes_wrong_is_said_in_words(
    body: str, status: int, said: str, tmp_path: Path
) -> None:
    done = faulty(body, TMPDIR=str(tmp_path))
    assert done.returncode == status
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_fault_is_told_where_no_log_can_be_written() -> None:
    body = "import tempfile; tempfile.tempdir = '/nowhere'; 1 / 0"
    done = faulty(body)
    assert done.returncode == 70
    assert "(no file could be written)" in done.stderr


def test_wrong_usage() -> None:
    assert samebut("search").returncode == 2
    assert samebut("search", ".", "-k", 0).returncode == 2
    assert samebut("unknown").returncode == 2


def test_version_and_help() -> None:
    assert re.fullmatch(r"samebut \d+\.\d+\.\d+\n", samebut("--version").stdout)
    for command in ("index", "search", "info", "demo"):
        assert command in samebut("--help").stdout
        assert samebut(command, "--help").returncode == 0


def test_a_name_that_is_not_utf8_is_printed(indexed: Path) -> None:
    raw = os.fsencode(indexed) + b"/r\xe9d.png"
    Path(os.fsdecode(raw)).write_bytes((indexed / "red-round.png").read_bytes())
    assert samebut("index", indexed).returncode == 0
    done = samebut("search", indexed, "-t", "x", "-k", 20)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 12


def test_demo_on_its_gallery_and_on_a_folder(photos: Path, tmp_path: Path) -> None:
    shown = samebut("demo", "--out", tmp_path / "demo")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("rank") == 3
    assert "换成" in shown.stdout
    assert (tmp_path / "demo" / "contact-sheet.html").exists()
    again = samebut("demo", "--out", tmp_path / "demo")
    assert "0 encoded" not in again.stderr
    assert "unchanged" in again.stderr
    own = samebut("demo", photos, "--out", tmp_path / "own")
    assert own.returncode == 0, own.stderr
    assert own.stdout.count("rank") == 3
    assert not (photos / ".samebut").exists()


def test_what_became_of_a_table_is_said_row_by_row(photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    text = "sep=;\nfile;colour\nred-round.PNG;红\nblue-round;蓝\n;nothing\nlate.png;白\n"
    table.write_bytes(text.encode("gb18030"))
    done = samebut("index", photos, "--metadata", table)
    assert done.returncode == 3
    assert [line for line in done.stderr.splitlines() if "metadata" in line] == [
        f"metadata   {table}: GB18030",
        f"metadata   {table}: separated by semicolons",
        f"metadata   3 pictures are named in {table}, 2 matched: 1 by capitals, 1 by suffix",
        "metadata   new values for 2 pictures: 0 earlier values replaced, 0 cleared",
        "metadata   can't be used: line 5 names no picture",
        "metadata   waits for its picture: late.png",
        "2 pictures have metadata",
    ]
    assert "waits      late.png" in samebut("info", photos).stdout
    table.write_text("file,added\nred-round.png,03/04/2024\n", encoding="utf-8")
    samebut("index", photos, "--metadata", table)
    undecided = "1 such as '03/04/2024' could begin with the day or the month"
    assert undecided in samebut("info", photos).stdout
    table.write_text("file,added\nblue-round.png,13/04/2024\n", encoding="utf-8")
    samebut("index", photos, "--metadata", table)
    assert undecided not in (said := samebut("info", photos).stdout)
    assert "compared as dates, the day first" in said
    rows = "".join(f"late-{number}.png,1\n" for number in range(30))
    table.write_text(f"file,n\n{rows}", encoding="utf-8")
    samebut("index", photos, "--metadata", table)
    lines = samebut("info", photos).stdout.splitlines()
    assert sum(line.startswith("waits") for line in lines) == 21
    assert lines[-1] == "waits      and 11 more rows"
    table.write_text("sku,title\n1,x\n")
    done = samebut("index", photos, "--metadata", table, "--file-column", "sku")
    assert done.returncode == 3
    assert "no row names a picture that is here, the first says '1'" in done.stderr
    assert "1 rows of earlier tables wait for their pictures" in done.stderr
    done = samebut("index", photos, "--replace-metadata")
    assert (done.returncode, "--replace-metadata needs a table" in done.stderr) == (1, True)
