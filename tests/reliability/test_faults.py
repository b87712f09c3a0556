"""What goes wrong with a cell ends no other, and what goes wrong with the disk loses nothing."""

from __future__ import annotations

import errno
import io
import os
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from kill_and_resume import contents, differences, finished, half_written
from reliability_helpers import report
from torch import Tensor

from invert.cli import main
from invert.engine.optimisation import Optimisation
from invert.engine.problem import Problem
from invert.objectives import feature_match
from invert.sweeps import summary
from invert_priors.tv import TotalVariation

Invert = Callable[..., int]
Lines = pytest.CaptureFixture[str]


def breaks(message: str, error: type[BaseException] = KeyError) -> Callable[..., Any]:
    def broken(*_: object, **__: object) -> Any:
        raise error(message)

    return broken


@pytest.mark.parametrize("error", [KeyError, SystemExit, torch.OutOfMemoryError])
def test_a_cell_that_raises_is_shown_and_tried_again(
    error: type[BaseException], invert: Invert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Lines
) -> None:
    words = ("--layer", "conv,fc", "--prior", "tv,none", "--steps", 2)
    with monkeypatch.context() as broken:
        broken.setattr(TotalVariation, "start", breaks("out of\nluck <b>", error))
        assert invert(*words, "--out", tmp_path) == 1
    told = capsys.readouterr().err.splitlines()
    content = report(tmp_path)
    assert content["status"] == "failed" and len(content["layers"]) == 4
    for run in content["runs"]:
        if run["prior"] == "tv":
            assert error.__name__ in run["error"] and "\n" not in run["error"] and "luck" in run["error"]
            assert run["stopped"] is None and run["files"]["image"] is None
            assert f"invert: {run['id']} failed: {run['error']}" in told
        else:
            assert run["error"] is None and run["stopped"] == "steps"
    page = (tmp_path / "report.html").read_text()
    assert "2 of 4 runs failed" in page and "luck &lt;b&gt;" in page and "luck <b>" not in page
    before = finished(tmp_path)
    assert invert(*words, "--resume", tmp_path) == 0
    after = finished(tmp_path)
    assert [name for name in before if before[name] == after[name]] == [n for n in before if "none" in n]


def test_a_loss_that_is_never_finite_has_no_picture(
    invert: Invert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = feature_match.feature_error
    monkeypatch.setattr(feature_match, "feature_error", lambda a, b: real(a, b) * torch.nan)
    assert invert("--layer", "conv", "--prior", "none", "--steps", 3, "--out", tmp_path) == 1
    (run,) = report(tmp_path)["runs"]
    assert "not finite at any step" in run["error"] and run["files"]["image"] is None
    assert "not finite at any step" in (tmp_path / "report.html").read_text()


def test_a_cell_that_diverges_stops_with_its_best(
    invert: Invert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = feature_match.feature_error, []

    def diverges(features: Tensor, target: Tensor) -> Tensor:
        calls.append(1)
        return real(features, target) * (torch.inf if len(calls) == 4 else 1)

    monkeypatch.setattr(feature_match, "feature_error", diverges)
    assert invert("--layer", "conv,fc", "--prior", "none", "--steps", 9, "--out", tmp_path) == 0
    first, second = report(tmp_path)["runs"]
    assert (first["stopped"], first["steps"], first["error"]) == ("not finite", 4, None)
    assert (second["stopped"], second["steps"]) == ("steps", 9)
    assert (tmp_path / first["files"]["image"]).is_file() and not half_written(tmp_path)


def test_one_seed_that_diverges_leaves_the_others(
    invert: Invert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds_together: None
) -> None:
    real = feature_match.feature_error
    one = torch.tensor([1.0, torch.nan, 1.0])
    monkeypatch.setattr(feature_match, "feature_error", lambda a, b: real(a, b) * (one if len(a) == 3 else 1))
    words = ("--layer", "conv", "--prior", "none", "--steps", 3, "--seeds", 3)
    assert invert(*words, "--out", tmp_path) == 1
    assert [bool(run["error"]) for run in report(tmp_path)["runs"]] == [False, True, False]


@pytest.mark.parametrize("most", [3, 1, 0])
def test_out_of_memory_halves_the_seeds(
    most: int, invert: Invert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seeds_together: None
) -> None:
    """As on an accelerator whose memory holds `most` problems at a time; what failed holds none of it."""
    real = Optimisation._advance
    tried: list[tuple[int, weakref.ref[Optimisation]]] = []

    def advance(self: Optimisation) -> tuple[Tensor, Tensor]:
        if not tried or tried[-1][1]() is not self:
            assert all(earlier() is None for _, earlier in tried), "an earlier attempt is still in memory"
            tried.append((self.problems, weakref.ref(self)))
        if self.problems > most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return real(self)

    monkeypatch.setattr(Optimisation, "_advance", advance)
    words = ("--layer", "conv", "--prior", "none", "--steps", 2, "--seeds", 4, "--out", tmp_path)
    assert invert(*words) == (0 if most else 1)
    assert [n for n, _ in tried] == {3: [4, 2, 2], 1: [4, 2, 1, 1, 2, 1, 1], 0: [4, 2, 1, 1, 2, 1, 1]}[most]
    runs = report(tmp_path)["runs"]
    assert [run["seed"] for run in runs] == [0, 1, 2, 3]
    assert all(run["stopped"] == "steps" if most else "out of memory" in run["error"] for run in runs)


def test_a_row_that_cannot_be_measured_keeps_its_runs(
    invert: Invert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Lines
) -> None:
    words = ("--layer", "conv", "--prior", "none", "--steps", 2)
    with monkeypatch.context() as broken:
        broken.setattr(summary, "measure_row", breaks("of a plug-in", TypeError))
        assert invert(*words, "--out", tmp_path) == 1
    assert "invert: conv none failed: TypeError: of a plug-in" in capsys.readouterr().err
    assert report(tmp_path)["runs"][0]["error"] is None
    assert report(tmp_path)["layers"][0]["error"] == "TypeError: of a plug-in"
    assert "could not be measured" in (tmp_path / "report.html").read_text()
    assert invert(*words, "--resume", tmp_path) == 0
    assert report(tmp_path)["layers"][0]["error"] is None


def test_a_control_that_fails_is_told(
    invert: Invert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Problem.optimisation

    def fails_on_random_weights(self: Problem, *rest: Any, **more: Any) -> Optimisation:
        if self.network.weights.startswith("random"):
            raise RuntimeError("no luck")
        return real(self, *rest, **more)

    monkeypatch.setattr(Problem, "optimisation", fails_on_random_weights)
    words = ("--layer", "conv", "--prior", "none", "--steps", 2, "--controls", "--out", tmp_path)
    assert invert(*words) == 1
    assert report(tmp_path)["status"] == "failed" and report(tmp_path)["runs"][0]["error"] is None
    assert "no luck" in (tmp_path / "report.html").read_text()


def test_nobody_reading_the_progress_is_no_reason_to_stop(
    own_network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    words = [
        "--layer",
        "conv,fc",
        "--prior",
        "none",
        "--steps",
        "2",
        "--device",
        "cpu",
        "--out",
        str(tmp_path),
    ]
    monkeypatch.setattr(sys, "stderr", Gone())
    assert main([own_network, *words]) == 0
    assert report(tmp_path)["status"] == "done"


def test_a_disk_that_is_full_at_any_file_ends_in_one_line_and_loses_nothing(
    invert: Invert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Lines
) -> None:
    words = ("--layer", "conv", "--prior", "none", "--steps", 2)
    flushed: list[int] = []
    real = os.fsync

    def full_after(files: int) -> Callable[[int], None]:
        def fsync(handle: int) -> None:
            flushed.append(handle)
            if len(flushed) > files:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(handle)

        return fsync

    monkeypatch.setattr(os, "fsync", full_after(10_000))
    assert invert(*words, "--out", tmp_path / "whole") == 0
    whole, writes = contents(tmp_path / "whole"), len(flushed)
    assert writes > 20
    for files in range(0, writes - 1, 6):  # that of the last name is a folder's, which may fail
        flushed.clear()
        out = tmp_path / f"full-{files}"
        monkeypatch.setattr(os, "fsync", full_after(files))
        capsys.readouterr()
        assert invert(*words, "--out", out) == 1
        error = capsys.readouterr().err
        assert error.startswith("invert: error: cannot write ") and "No space left" in error
        assert error.count("\n") == 1, error
        assert not half_written(out) and not list(out.rglob("*.part"))
        monkeypatch.setattr(os, "fsync", real)
        assert invert(*words, "--resume", out) == 0
        assert differences(whole, contents(out)) == []
