"""Many photos and many cells: what is written in pieces is the whole, and rows grow as photos finish."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from kill_and_resume import contents, differences
from PIL import Image
from reliability_helpers import report

from invert.cli import main
from invert.files import json_bytes
from invert.sweeps import summary, sweep, worker
from invert.sweeps.request import Request
from invert.sweeps.sweep import ReportWritten, Sweep

Invert = Callable[..., int]
PHOTOS = 10


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for n in range(PHOTOS):
        picture = Image.linear_gradient("L").rotate(36 * n).resize((40, 40))
        picture.convert("RGB").save(folder / f"photo {n}.png")
    (folder / "notes.txt").write_text("no photo")
    return folder


def request_for(model: str, *photos: Path, **more: object) -> Request:
    asked = {"layer": ("conv", "fc"), "prior": ("none", "tv"), "steps": 3, "device": "cpu", **more}
    return Request(model=model, image=tuple(map(str, photos)), **asked)  # type: ignore[arg-type]


def two(photos: Path) -> tuple[Path, Path]:
    return photos / "photo 1.png", photos / "photo 2.png"


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """The report is written with every event that brings something new."""
    monkeypatch.setattr("invert.sweeps.pace.EVERY", 0.0)
    monkeypatch.setattr("invert.sweeps.pace.SHARE", 1e9)


def test_the_report_in_pieces_is_the_report(
    own_network: str, photos: Path, tmp_path: Path, always: None
) -> None:
    request = request_for(own_network, *two(photos), prior=("none",), seeds=(0, 1), controls=True)
    for event in Sweep(request).run(tmp_path):
        if isinstance(event, ReportWritten):
            written = (tmp_path / "report.json").read_bytes()
            assert written == json_bytes(json.loads(written))
    whole = report(tmp_path)
    assert len(whole["runs"]) == 8 and len(whole["controls"]) == 8 and len(whole["layers"]) == 2
    records = {run["id"]: run for run in [*whole["runs"], *whole["controls"]]}
    for file in tmp_path.glob("runs/*/record.json"):
        assert records[file.parent.name] | {"match": None} == json.loads(file.read_bytes())


def test_a_report_written_often_ends_as_one_written_once(
    own_network: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_for(own_network, *two(photos), layer=("conv",), seeds=(0, 1))
    monkeypatch.setattr("invert.sweeps.pace.EVERY", 1e9)
    assert not [e for e in Sweep(request).run(tmp_path / "once") if isinstance(e, ReportWritten)]
    monkeypatch.undo()
    monkeypatch.setattr("invert.sweeps.pace.EVERY", 0.0)
    monkeypatch.setattr("invert.sweeps.pace.SHARE", 1e9)
    seen = []
    for event in Sweep(request).run(tmp_path / "often"):
        if isinstance(event, ReportWritten):
            seen.append(len(report(tmp_path / "often")["runs"]))
    assert seen == [1, 2, 3, 4, 5, 6, 7, 8]
    assert differences(contents(tmp_path / "once"), contents(tmp_path / "often")) == []


def test_rows_of_many_photos_grow_as_photos_finish(
    own_network: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, always: None
) -> None:
    monkeypatch.setattr(summary, "FEW", 2)
    monkeypatch.setattr(summary, "POOLED", 4)
    monkeypatch.setattr(worker, "PHOTOS", 3)
    request = request_for(own_network, photos, layer=("conv",), prior=("none",))
    seen = []
    for event in Sweep(request).run(tmp_path):
        if isinstance(event, ReportWritten):
            seen.append([len(row["by_photo"]) for row in report(tmp_path)["layers"]])
    assert seen[2] == [] and [4] in seen and [8] in seen
    (row,) = report(tmp_path)["layers"]
    assert (row["photos"], row["photos_there"], len(row["by_photo"])) == (4, PHOTOS, PHOTOS)
    assert len(row["runs"]) == PHOTOS
    ssim = {photo: part["measures"]["ssim"] for photo, part in row["by_photo"].items()}
    order = sorted(ssim, key=lambda photo: -ssim[photo])
    assert row["ranking"] == {"by": "ssim", "best": order[:3], "worst": order[:-4:-1]}


def test_the_best_and_worst_photos_are_named_at_the_end(
    own_network: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--layer", "conv", "--prior", "none", "--steps", "3", "--image", str(photos), "--device", "cpu"]
    assert main([own_network, *words, "--out", str(tmp_path), "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["status"] == "done"
    named = {image["id"]: image["name"] for image in report(tmp_path)["images"]}
    ranking = report(tmp_path)["layers"][0]["ranking"]
    best, worst = (", ".join(named[photo] for photo in ranking[part]) for part in ("best", "worst"))
    assert f"  best: {best}; worst: {worst} (by ssim)" in output.err.splitlines()
    page = (tmp_path / "report.html").read_text()
    assert f"Best: {best}; worst: {worst} (by ssim)." in page
    # Progress goes beside, not into, what --json says:
    assert f"[{PHOTOS}/{PHOTOS}] " in output.err and f"[1/{PHOTOS}] " in output.err


def test_a_dry_run_says_what_it_would_take_and_writes_nothing(
    own_network: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = [own_network, "--layer", "conv,fc", "--prior", "none,tv", "--steps", "7", "--seeds", "2"]
    words += ["--image", str(photos), "--device", "cpu", "--out", str(out), "--jobs", "1"]
    assert main([*words, "--dry-run"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "80 cells; 560 steps to do"
    assert told[1].startswith("on cpu, in this process, ")
    assert [line.split(",")[0] for line in told[2:6]] == [
        f"{layer} {prior}: 20 × 7 steps" for layer in ("conv", "fc") for prior in ("none", "tv")
    ]
    assert told[6].startswith("time at most about ") and "memory about " in told[6] and len(told) == 7
    assert not out.exists()
    assert main([*words, "--dry-run", "--json"]) == 0
    (plan,) = json.loads(capsys.readouterr().out)
    assert (plan["cells"], plan["steps"], plan["there"]) == (80, 560, 0) and plan["seconds"] > 0
    assert all(kind["seconds_a_step"] > 0 for kind in plan["kinds"])


def test_a_dry_run_of_a_study_that_is_there_has_nothing_to_do(
    own_network: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--layer", "conv", "--prior", "none", "--steps", "2", "--device", "cpu"]
    for photo in two(photos):
        words += ["--image", str(photo)]
    assert main([own_network, *words, "--out", str(tmp_path / "out"), "--quiet"]) == 0
    before = contents(tmp_path / "out")
    capsys.readouterr()
    assert main(["--resume", str(tmp_path / "out"), "--dry-run"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "2 cells, 2 of them are there; 0 steps to do"
    assert contents(tmp_path / "out") == before


def test_disk_and_time_of_the_plan_are_upper_ends(
    own_network: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [own_network, "--layer", "conv,fc", "--prior", "none", "--steps", "40", "--seeds", "4"]
    words += ["--device", "cpu", "--out", str(tmp_path / "out"), "--json"]
    assert main([*words, "--dry-run"]) == 0
    (plan,) = json.loads(capsys.readouterr().out)
    assert main(words) == 0
    used = sum(file.stat().st_size for file in (tmp_path / "out").rglob("*") if file.is_file())
    assert used < plan["disk"] < 30 * used


def test_speeds_are_tried_where_that_is_little_beside_the_work(
    own_network: str, photos: Path, tmp_path: Path
) -> None:
    one = two(photos)[0]
    request = request_for(own_network, one, layer=("conv",), steps=3)
    (planned,) = [e for e in Sweep(request).run(tmp_path / "short") if isinstance(e, sweep.Planned)]
    assert planned.tried == {} and len(planned.cells) == 2
    events = Sweep(request_for(own_network, one, layer=("conv",), steps=500)).run(tmp_path / "long")
    planned = next(event for event in events if isinstance(event, sweep.Planned))
    events.close()
    assert sorted(kind[2] for kind in planned.tried) == ["none", "tv"]
    again = Sweep(request).run(tmp_path / "short", resume=True)
    assert next(e for e in again if isinstance(e, sweep.Planned)).cells == []
