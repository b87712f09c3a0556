"""What is on the disk after a run, and that another goes on from there to the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kill_and_resume import contents, differences, finished, kill_and_resume
from PIL import Image
from reliability_helpers import report, tiny_dip

from invert.sweeps import worker
from invert.sweeps.folder import WRITTEN
from invert.sweeps.request import Request
from invert.sweeps.sweep import Sweep
from invert.sweeps.worker import GroupStep

Invert = Callable[..., int]


def interrupted_at(request: Request, out: Path, step: int, resume: bool = False) -> None:
    """Run, and interrupt at a step, as Ctrl-C does."""
    work = Sweep(request)
    for event in work.run(out, resume):
        if isinstance(event, GroupStep) and event.step == step:
            work.interrupt()


def run(request: Request, out: Path, resume: bool = False) -> None:
    for _ in Sweep(request).run(out, resume):
        pass


TARGETS: dict[str, dict[str, Any]] = {
    "none": {"layer": ("fc",), "prior": ("none",)},
    "tv": {"layer": ("conv",), "prior": ("tv",)},
    "dip": {"layer": ("conv",), "prior": ("dip",)},
    "class with views": {"classes": ("dog",), "prior": ("none",), "views": 2},
}


def request_for(model: str, what: str, **more: Any) -> Request:
    dip = dict(word.removeprefix("dip.").split("=") for word in tiny_dip()[1::2])
    settings = {"dip": dip} if what == "dip" else {}
    return Request(model=model, device="cpu", **{"steps": 12, "settings": settings, **TARGETS[what], **more})


@pytest.mark.parametrize("what", TARGETS)
def test_an_interrupted_cell_goes_on_to_the_same_bits(what: str, own_network: str, tmp_path: Path) -> None:
    request = request_for(own_network, what)
    run(request, tmp_path / "whole")
    out = tmp_path / "interrupted"
    interrupted_at(request, out, 5)
    assert report(out)["status"] == "interrupted"
    assert [(r["stopped"], r["steps"]) for r in report(out)["runs"]] == [("interrupted", 5)]
    interrupted_at(request, out, 9, resume=True)
    assert report(out)["runs"][0]["steps"] == 9
    run(request, out, resume=True)
    assert differences(contents(tmp_path / "whole"), contents(out)) == []
    assert not list(out.rglob("checkpoint*"))


def test_seeds_solved_together_go_on_together(own_network: str, tmp_path: Path, seeds_together: None) -> None:
    request = request_for(own_network, "none", seeds=(0, 1, 2))
    run(request, tmp_path / "whole")
    out = tmp_path / "interrupted"
    interrupted_at(request, out, 5)
    run(request, out, resume=True)
    assert differences(contents(tmp_path / "whole"), contents(out)) == []
    (out / "runs" / "fc-none-grace_hopper-s1" / "record.json").unlink()
    before = finished(out)
    run(request, out, resume=True)
    assert differences(contents(tmp_path / "whole"), contents(out)) == []
    assert before.items() <= finished(out).items()


def test_a_checkpoint_of_another_version_is_not_gone_on_from(
    own_network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_for(own_network, "none")
    run(request, tmp_path / "whole")
    out = tmp_path / "interrupted"
    with monkeypatch.context() as earlier:
        earlier.setattr("invert.sweeps.folder.version", lambda _: "0.0")
        interrupted_at(request, out, 5)
    steps = [e.step for e in Sweep(request).run(out, resume=True) if isinstance(e, GroupStep)]
    assert steps[0] == 1
    assert differences(contents(tmp_path / "whole"), contents(out)) == []


def test_a_damaged_checkpoint_and_record_are_done_again(own_network: str, tmp_path: Path) -> None:
    request = request_for(own_network, "none")
    run(request, tmp_path / "whole")
    out = tmp_path / "interrupted"
    interrupted_at(request, out, 5)
    folder = out / "runs" / "fc-none-grace_hopper-s0"
    (folder / "checkpoint.safetensors").write_bytes(b"\xff" * 100)
    (folder / "record.json").write_text('{"id": "another"}')
    run(request, out, resume=True)
    assert differences(contents(tmp_path / "whole"), contents(out)) == []


def test_a_cell_whose_picture_is_gone_is_done_again(own_network: str, tmp_path: Path) -> None:
    request = request_for(own_network, "none")
    run(request, tmp_path / "out")
    whole = contents(tmp_path / "out")
    (tmp_path / "out" / "runs" / "fc-none-grace_hopper-s0" / "image.png").unlink()
    run(request, tmp_path / "out", resume=True)
    assert differences(whole, contents(tmp_path / "out")) == []


def test_a_resume_that_is_interrupted_shows_all_that_was_finished(own_network: str, tmp_path: Path) -> None:
    request = request_for(own_network, "none", layer=("conv", "relu", "fc"), steps=3)
    run(request, tmp_path / "out")
    (tmp_path / "out" / "runs" / "conv-none-grace_hopper-s0" / "record.json").unlink()
    interrupted_at(request, tmp_path / "out", 1, resume=True)
    content = report(tmp_path / "out")
    assert [r["stopped"] for r in content["runs"]] == ["interrupted", "steps", "steps"]
    assert len(content["layers"]) == 3 and content["status"] == "interrupted"


def test_what_is_finished_is_not_touched(invert: Invert, tmp_path: Path) -> None:
    words = ("--layer", "conv,fc", "--prior", "none", "--steps", 2)
    assert invert(*words, "--out", tmp_path / "o") == 0
    before = finished(tmp_path / "o")
    assert invert(*words, "--resume", tmp_path / "o") == 0
    assert finished(tmp_path / "o") == before and len(before) == 2


def test_resume_refuses_another_request_and_names_the_differences(
    invert: Invert, own_network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "network.py"
    model.write_text(Path(own_network.removesuffix(":net")).read_text())
    photo, weights = tmp_path / "photo.png", tmp_path / "out"
    Image.new("RGB", (40, 40), "red").save(photo)
    words = ("--layer", "conv", "--prior", "none", "--image", photo, "--resume", weights)

    def again(*more: object) -> str:
        assert invert(*words, *more, model=f"{model}:net") == 2
        line = capsys.readouterr().err
        assert line.count("\n") == 1 and "was made by another request" in line
        return line

    assert invert(*words, "--steps", 2, model=f"{model}:net") == 0
    assert "steps was 2, now 3; until was None, now 0.5" in again("--steps", 3, "--until", 0.5)
    Image.new("RGB", (40, 40), "blue").save(photo)
    assert f"sha256 of the photo {photo} was" in again("--steps", 2)
    model.write_text(model.read_text().replace("128, 4", "128, 4, bias=False"))
    assert "sha256 of the network was" in again("--steps", 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--resume"], "--resume needs a folder"),
        (["--resume", "a", "--out", "b"], "name two folders"),
        (["--out", "other"], "holds a report and no request.json"),
        (["--resume", "other"], "holds a report and no request.json"),
    ],
)
def test_folders_that_cannot_be_gone_on_with(
    words: list[str],
    message: str,
    invert: Invert,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other").mkdir()
    Path("other/report.json").write_text("{}")
    assert invert("--layer", "conv", "--prior", "none", *words) == 2
    assert message in capsys.readouterr().err
    assert Path("other/report.json").read_text() == "{}" and list(tmp_path.iterdir()) == [tmp_path / "other"]


OWN_RESTS = (
    ".request.json.0a1b2c3d.part",
    ".report.html.0a1b2c3d.part",
    "images/.grace_hopper.png.0a1b2c3d.part",
    "images/evidence/.grace_hopper-fc.png.0a1b2c3d.part",
    "runs/fc-none-grace_hopper-s0/.record.json.0a1b2c3d.part",
    "runs/fc-none-grace_hopper-s0/snapshots/.00001.png.0a1b2c3d.part",
)
OF_OTHERS = (
    ".thesis.part",
    ".report.json.part",
    ".thesis.tex.0a1b2c3d.part",
    "deep/below/.report.json.0a1b2c3d.part",
    "runs/.report.json.0a1b2c3d.part",
    "runs/fc-none-grace_hopper-s0/.video.mp4.0a1b2c3d.part",
    "images/.holiday.png.part",
)


def test_what_a_killed_run_left_half_written_is_removed_and_nothing_else(
    own_network: str, tmp_path: Path
) -> None:
    request = request_for(own_network, "none", steps=1)
    run(request, tmp_path / "out")
    for name in (*OWN_RESTS, *OF_OTHERS):
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_bytes(b"{")
    run(request, tmp_path / "out", resume=True)
    left = {path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.rglob("*.part")}
    assert left == set(OF_OTHERS)


def test_the_names_of_every_file_written_are_known(own_network: str, tmp_path: Path) -> None:
    """Else what a kill leaves of one would stay."""
    for what in ("none", "class with views"):
        request = request_for(own_network, what)
        interrupted_at(request, tmp_path / what, 5)
        run(request, tmp_path / what, resume=True)
        written = [path.relative_to(tmp_path / what) for path in (tmp_path / what).rglob("*.*")]
        unknown = [p.as_posix() for p in written if not WRITTEN.fullmatch(p.as_posix()) and p.suffix]
        assert unknown == [] and len(written) > 8


def test_report_json_is_there_from_the_start(own_network: str, tmp_path: Path) -> None:
    events = Sweep(request_for(own_network, "none")).run(tmp_path)
    next(events)
    assert (report(tmp_path)["status"], report(tmp_path)["runs"]) == ("running", [])
    events.close()
    assert report(tmp_path)["status"] == "interrupted"


def test_long_cells_are_checkpointed(
    own_network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "CHECKPOINT_SECONDS", 0.0)
    events = Sweep(request_for(own_network, "none")).run(tmp_path)
    at = next(e.step for e in events if isinstance(e, GroupStep) and e.step == 7)
    events.close()  # what is on the disk now is what a SIGKILL leaves
    rest = Sweep(request_for(own_network, "none")).run(tmp_path, resume=True)
    assert next(e.step for e in rest if isinstance(e, GroupStep)) == at + 1


def test_killed_at_random_moments_nothing_is_lost(tmp_path: Path) -> None:
    """The short form of benchmarks/kill_and_resume.py."""
    assert kill_and_resume(tmp_path, kills=4, steps=40, seed=1) == []
