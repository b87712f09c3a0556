"""What a user of the library sees of a run: how far it is, what came of it, and what went wrong."""

from __future__ import annotations

import gc
import json
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

import invert
from invert import progress
from invert.engine.optimisation import Event, Started, Step
from invert.images import to_png
from invert.photos import default_photo
from invert.progress import Clock


@pytest.fixture(scope="module")
def subject(own_network: str) -> invert.Subject:
    return invert.load(own_network)


def run(subject: invert.Subject, steps: int = 5, **options: object) -> invert.Result:
    match = invert.FeatureMatch("conv", default_photo())
    return invert.run(subject, match, "none", steps=steps, **options)  # type: ignore[arg-type]


class Time:
    """A clock that goes when it is told to."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(progress, "time", time)
    return time


def test_the_time_left_is_that_of_the_steps_to_come(clock: Time) -> None:
    timer = Clock(100)
    clock.now = 50.0  # the first step may take long: it is no measure of the others
    assert timer.left(1) == "…"
    clock.now = 60.0
    assert timer.left(11) == "1 min 29 s"
    clock.now = 60.0 + 89
    assert timer.left(100) == "0 s"


def steps(clock: Time, seconds: float, total: int = 40, settled: int = 1) -> Iterator[Event]:
    yield Started(1, 10, total)
    for step in range(1, total + 1):
        clock.now += seconds
        unread = step % settled and step < total
        loss = torch.empty(1, device="meta") if unread else torch.tensor([0.5])  # meta: nobody can read it
        yield Step(step, loss, loss, Tensor(), clock.now, step % settled == 0)


def test_lines_come_now_and_then_with_the_time_left(clock: Time, capsys: pytest.CaptureFixture[str]) -> None:
    events = list(progress.show(steps(clock, 3.0, settled=3), "conv\x1b, none"))
    assert len(events) == 41
    told = capsys.readouterr().err.splitlines()
    assert told[0] == r"conv\x1b, none: step 6/40, loss 0.5, 1 min 42 s left"
    assert told[-1] == r"conv\x1b, none: step 40/40, loss 0.5"
    assert 5 < len(told) < 12


def test_progress_is_shown_where_it_is_asked_for_and_changes_nothing(
    subject: invert.Subject, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet = run(subject)
    assert capsys.readouterr() == ("", "")
    told = run(subject, progress=True)
    output = capsys.readouterr()
    assert output.out == "" and "step 5/5, loss " in output.err
    assert torch.equal(quiet.image, told.image)


def test_a_terminal_gets_a_bar(
    subject: invert.Subject, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes it for a terminal
    run(subject, progress=True)
    assert "left" in capsys.readouterr().err


def test_the_images_of_the_steps_are_not_kept(subject: invert.Subject) -> None:
    most = 0

    class Looks(invert.FeatureMatch):
        def __call__(self, *arguments: object) -> Tensor:
            nonlocal most
            gc.collect()
            held = sum(type(o) is Tensor and o.shape == (1, 3, 32, 32) for o in gc.get_objects())
            most = max(most, held)
            return super().__call__(*arguments)  # type: ignore[arg-type]

    invert.run(subject, Looks("conv", default_photo()), "none", steps=60)
    assert 0 < most < 40


def test_a_result_is_one_line_and_saves_what_it_knows(subject: invert.Subject, tmp_path: Path) -> None:
    result = run(subject)
    assert repr(result).startswith("<Result: ") and len(repr(result)) < 160 and "\n" not in repr(result)
    assert "conv" in repr(result) and "5 steps" in repr(result) and "tensor" not in repr(result)

    assert result.save(tmp_path / "a" / "x.PNG").read_bytes() == to_png(result.image)
    folder = result.save(tmp_path / "all")
    assert sorted(file.name for file in folder.iterdir()) == [
        "image.png", "last.png", "original.png", "result.json",
    ]  # fmt: skip
    with Image.open(folder / "original.png") as original:
        assert original.size == (32, 32)
    told = json.loads((folder / "result.json").read_text())
    assert (told["prior"], told["seed"], told["steps"], told["device"]) == ("none", 0, 5, "cpu")
    assert told["feature_error"] == result.feature_error and len(told["loss"]) == 5
    assert "steps" not in told["settings"] and told["settings"]["learning_rate"] == result.prior.learning_rate
    result.save(folder)  # again: what is there is replaced

    for name in (tmp_path / "x.jpg", ""):
        with pytest.raises(invert.RequestError, match=r"ends in \.png, or a folder"):
            result.save(name)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(invert.InvertError, match="cannot write"):
        result.save(tmp_path / "file" / "all")


def test_a_result_that_diverged_is_saved(subject: invert.Subject, tmp_path: Path) -> None:
    """JSON has no NaN: its last losses are null, and what was kept is there."""
    result = run(subject, steps=40)
    loss = result.loss.clone()
    loss[-1] = float("nan")
    measures = {**result.measures, "psnr": float("inf")}
    diverged = replace(result, loss=loss, measures=measures, stopped="not finite")
    told = json.loads((diverged.save(tmp_path / "all") / "result.json").read_text())
    assert told["loss"][-1] is told["measures"]["psnr"] is None and told["loss"][0] == float(loss[0])
    assert told["stopped"] == "not finite"


def test_a_notebook_shows_an_error_as_one_line(subject: invert.Subject) -> None:
    with pytest.raises(invert.RequestError) as caught:
        invert.FeatureMatch("con", default_photo()).bind(subject)
    assert len(traceback.format_exception(caught.value)) > 2
    # IPython asks the exception for the lines to show.
    (line,) = caught.value._render_traceback_()
    assert line.startswith("RequestError: ") and "did you mean conv?" in line and line.isprintable()
