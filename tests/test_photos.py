"""Folders of photos: what is taken, and what is said of the rest."""

from __future__ import annotations

import json
import os
from html import unescape
from pathlib import Path

import pytest
from PIL import Image
from torch import Tensor

from invert import images, photos
from invert.cli import main
from invert.errors import RequestError
from invert.report import LeftOut, Report
from invert_reports.html.provenance import MOST_SKIPPED, sections


def read(path: Path) -> Tensor:
    return images.to_tensor(path, (3, 8, 8))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photos, one of a format that was passed over, a broken one, a pipe, a note."""
    (tmp_path / "photos" / "below").mkdir(parents=True)
    folder = tmp_path / "photos"
    Image.new("RGB", (20, 20), "red").save(folder / "a.png")
    Image.new("RGB", (20, 20), "blue").save(folder / "below" / "b.PPM")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    os.mkfifo(folder / "pipe.png")
    (folder / "notes.txt").write_text("taken in spring")
    return folder


def test_what_cannot_be_read_is_skipped_with_its_reason(folder: Path) -> None:
    found, skipped = photos.read([folder], read)
    assert [path.name for path in found] == ["a.png", "b.PPM"]
    reasons = {each.path.name: each.reason for each in skipped}
    assert set(reasons) == {"broken.jpg", "pipe.png", "photos"}
    assert "not a regular file" in reasons["pipe.png"]
    assert reasons["photos"] == "a file of other kinds (.txt)"


def test_a_file_that_was_named_is_not_skipped(folder: Path) -> None:
    with pytest.raises(RequestError, match="broken"):
        photos.read([folder, folder / "broken.jpg"], read)


def test_a_folder_of_which_nothing_can_be_read_is_an_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    (folder / "broken.jpg").rename(tmp_path / "only" / "broken.jpg")
    with pytest.raises(RequestError, match=r"broken\.jpg"):
        photos.read([tmp_path / "only"], read)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match="no picture in"):
        photos.read([tmp_path / "empty"], read)


def test_a_folder_that_cannot_be_listed_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def closed(path: str) -> object:
        if str(path).endswith("below"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", closed)
    _, skipped = photos.read([folder], read)
    assert {each.path.name: each.reason for each in skipped}["below"] == "Permission denied"


def test_the_command_says_what_it_skips(
    folder: Path, own_network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.jpg").rename(folder / "bro\x1b[31mken.jpg")
    words = ["--layer", "conv", "--prior", "none", "--steps", "1", "--device", "cpu", "--quiet"]
    assert main([own_network, *words, "--image", str(folder), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().err
    assert told.count("invert: skipped") == 3 and "\x1b" not in told and "not a regular file" in told
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert len(report["images"]) == 2
    assert [sorted(each) for each in report["skipped"]] == [["name", "reason"]] * 3
    page = unescape((tmp_path / "out" / "report.html").read_text())
    shown = page[page.index("<summary>Photos skipped</summary>") :].partition("</dl>")[0]
    assert shown.count("<dt>") == 3 and "\x1b" not in page
    assert f"<dt>{folder / 'pipe.png'}</dt><dd>not a regular file</dd>" in shown


def test_a_page_names_so_many_of_the_photos_skipped() -> None:
    left_out = [LeftOut(name=f"{n}.png", reason="damaged") for n in range(MOST_SKIPPED + 7)]
    (facts,) = (facts for title, facts in sections(Report(skipped=left_out)) if title == "Photos skipped")
    assert facts[-1] == ("7 more", "report.json names them") and len(facts) == MOST_SKIPPED + 1


def test_photos_of_a_class_say_what_they_leave_out(
    folder: Path, own_network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "--class",
        "cat",
        "--prior",
        "none",
        "--steps",
        "1",
        "--views",
        "0",
        "--device",
        "cpu",
        "--quiet",
    ]
    assert main([own_network, *words, "--photos", str(folder), "--out", str(tmp_path / "out")]) == 0
    assert "pipe.png" in capsys.readouterr().err
    assert (tmp_path / "out" / "report.html").read_text().count("<dd>not a regular file</dd>") == 1
    (run,) = json.loads((tmp_path / "out" / "report.json").read_text())["runs"]
    assert (run["photos"]["count"], run["photos"]["skipped"], len(run["photos"]["left_out"])) == (2, 2, 3)
