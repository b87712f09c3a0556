"""`--until auto`: every run of a layer ends at one feature error, which the worst of them reaches."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import invert
from invert.cli import main
from invert.cli.study import parsed
from invert.files import read_json
from invert.subjects import load
from invert.sweeps import worker
from invert.sweeps.auto import AutoSweep, rounded_up, sweep_of
from invert.sweeps.request import Request
from invert.sweeps.sweep import GroupStep, PassStarted, SweepEvent

Json = dict[str, Any]
WRITTEN = ("image.png", "record.json", "trace.json")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def asked(model: str, **more: Any) -> Request:
    few: Json = {"layer": ("conv", "fc"), "prior": ("tv", "none"), "seeds": (0, 1), "steps": 25}
    return Request(model=model, device="cpu", **{"until": "auto", **few, **more})


def run(request: Request, out: Path, seen: Callable[[SweepEvent], bool] | None = None) -> Json:
    """Run it, interrupting at the first event that `seen` is true of; its report."""
    work = sweep_of(request)
    for event in work.run(out, resume=True):
        if seen is not None and seen(event) and not work.interrupted:
            work.interrupt()
    return report(out)


def report(out: Path) -> Json:
    found: Json = json.loads((out / "report.json").read_text())
    return found


def bits(out: Path) -> Json:
    """What the runs of a folder came to, the time they took apart."""
    found: Json = {}
    for name in WRITTEN:
        for file in sorted(out.glob(f"runs/*/{name}")):
            content = read_json(file) if file.suffix == ".json" else file.read_bytes()
            if isinstance(content, dict):
                content.pop("seconds", None)
            found[file.relative_to(out).as_posix()] = content
    return found


def least(out: Path, run: Json) -> float:
    return min(json.loads((out / "first" / run["files"]["trace"]).read_text())["loss"])


@pytest.fixture(scope="module")
def whole(own_network: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    out: Path = tmp_path_factory.mktemp("auto") / "whole"
    run(asked(own_network), out)
    return out


def test_all_runs_of_a_layer_end_at_one_error_that_the_worst_of_them_reaches(whole: Path) -> None:
    found = report(whole)
    assert found["status"] == "done" and found["common"].keys() == {"conv", "fc"}
    for layer, common in found["common"].items():
        runs = [r for r in found["runs"] if r["layer"] == layer]
        assert len(runs) == common["runs"] == 4 and common["left_out"] == []
        assert {(r["until"], r["stopped"], r["reached"]) for r in runs} == {(common["error"], "until", True)}
        assert all(r["feature_error"] <= common["error"] for r in runs)
        assert common["largest"] == max(r["feature_error"] for r in runs)
        # The smallest number of three digits that the worst run reaches: no other would do better.
        worst = max(least(whole, r) for r in runs)
        assert worst <= common["error"] <= worst * 1.0101
        assert min(least(whole, r) for r in runs) < 0.9 * common["error"], "nothing was left to match"
        assert min(r["steps"] for r in runs) < 25


def test_a_run_is_made_again_alone_by_its_command(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for one in report(whole)["runs"][::3]:
        words = shlex.split(one["command"])[1:]
        assert float(words[words.index("--until") + 1]) == one["until"]
        assert main([*words, "--quiet", "--out", one["id"]]) == 0
        (alone,) = report(Path(one["id"]))["runs"]
        assert (alone["sha256"], alone["steps"]) == (one["sha256"], one["steps"])


def test_the_command_asks_for_it_again(own_network: str) -> None:
    words = shlex.split(asked(own_network).command())[1:]
    assert words[words.index("--until") + 1] == "auto" and parsed(words)[0] == asked(own_network)


def nth_pass(n: int, steps: int) -> Callable[[SweepEvent], bool]:
    """True from the step `steps` of all that are done in pass n."""
    counts = {"passes": 0, "steps": 0}

    def seen(event: SweepEvent) -> bool:
        counts["passes"] += isinstance(event, PassStarted)
        counts["steps"] += isinstance(event, GroupStep) and counts["passes"] == n
        return counts["steps"] >= steps

    return seen


@pytest.mark.parametrize(("n", "steps"), [(1, 30), (2, 12)])
def test_an_interruption_in_either_pass_is_gone_on_from(
    n: int, steps: int, own_network: str, whole: Path, tmp_path: Path
) -> None:
    assert run(asked(own_network), tmp_path, nth_pass(n, steps))["status"] == "interrupted"
    assert main(["--resume", str(tmp_path), "--quiet"]) == 0
    assert bits(tmp_path) == bits(whole) and bits(tmp_path / "first") == bits(whole / "first")
    assert report(tmp_path)["common"] == report(whole)["common"]


@pytest.mark.parametrize("n", [1, 2])
def test_a_killed_run_is_gone_on_from(n: int, own_network: str, whole: Path, tmp_path: Path) -> None:
    events, seen = AutoSweep(asked(own_network)).run(tmp_path), nth_pass(n, 30)
    while not seen(next(events)):
        pass
    events.close()
    assert main(["--resume", str(tmp_path), "--quiet"]) == 0
    assert bits(tmp_path) == bits(whole) and report(tmp_path)["common"] == report(whole)["common"]


def test_a_study_that_grew_is_the_one_asked_for_at_once(
    own_network: str, whole: Path, tmp_path: Path
) -> None:
    """The runs that were there ended at another error: they are other cells now, and done again."""
    before = run(asked(own_network, prior=("none",), seeds=(0,)), tmp_path)
    errors = [{name: one["error"] for name, one in r["common"].items()} for r in (before, report(whole))]
    assert errors[0]["conv"] < errors[1]["conv"]
    assert main(["--resume", str(tmp_path), "--prior", "tv", "--seeds", "2", "--quiet"]) == 0
    mine, theirs = bits(tmp_path), bits(whole)
    assert mine == theirs and report(tmp_path)["common"] == report(whole)["common"]


def test_what_failed_has_no_say(
    own_network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worst of the runs, the only one of its prior, does not end: the others' error is the common one."""
    pose = worker.objective_of

    def broken(cell: Any, *rest: Any) -> Any:
        if cell.prior == "tv":
            raise MemoryError("no memory for tv")
        return pose(cell, *rest)

    monkeypatch.setattr(worker, "objective_of", broken)
    request = asked(own_network, layer=("fc",))
    words = shlex.split(request.command())[1:]
    assert main([*words, "--out", str(tmp_path)]) == 1
    found = report(tmp_path)
    common = found["common"]["fc"]
    left_out = [r["id"] for r in found["runs"] if r["prior"] == "tv"]
    assert common["left_out"] == left_out and len(left_out) == common["runs"] == 2
    ended = [r for r in found["runs"] if r["prior"] == "none"]
    assert max(least(tmp_path, r) for r in ended) <= common["error"] and all(r["reached"] for r in ended)
    printed = capsys.readouterr().err
    assert f"the common feature error of fc is without {', '.join(left_out)}" in printed
    assert "pass 1 of 2" in printed and f"pass 2 of 2: until fc {common['error']:.3g}" in printed
    assert f"common feature error: fc {common['error']:.3g}" in printed
    page = (tmp_path / "report.html").read_text()
    assert f"{common['error']:.3g}, which 2 runs reached in the first pass" in page


def test_classes_have_no_common_error_and_controls_do(own_network: str, tmp_path: Path) -> None:
    request = asked(own_network, layer=("conv",), classes=("dog",), prior=("none",), controls=True, steps=8)
    found = run(request, tmp_path)
    drawn = [r for r in found["runs"] if r["objective"] == "class"]
    assert [(r["until"], r["reached"]) for r in drawn] == [(None, None)] * 2
    assert all("--until" not in r["command"] for r in drawn)
    assert {r["until"] for r in found["controls"]} == {found["common"]["conv"]["error"]}
    assert found["common"]["conv"]["runs"] == 4 and all(r["reached"] for r in found["controls"])
    alone = run(replace(request, layer=(), controls=False), tmp_path / "alone")
    assert alone["status"] == "done" and alone["common"] == {}
    assert not (tmp_path / "alone" / "first").exists()


def test_going_on_with_a_row_is_for_an_error_that_all_its_runs_reach(
    own_network: str, tmp_path: Path
) -> None:
    found = run(asked(own_network, layer=("conv",), prior=("none", "tv"), steps=2), tmp_path)
    row = found["layers"][0]
    assert row["match"]["enough"] is False
    again = parsed(shlex.split(row["match"]["command"])[1:])[0]
    assert (again.until, again.prior, again.steps, again.seeds) == ("auto", ("none", "tv"), 8, (0, 1))


def test_the_first_pass_writes_through_no_link(own_network: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out" / "first").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(invert.RequestError, match="is a link"):
        run(asked(own_network), tmp_path / "out")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_errors_are_rounded_up_to_three_digits() -> None:
    assert [rounded_up(e) for e in (0.1234, 0.0012301, 5.551, 0.9999, 123.4)] == [
        0.124, 0.00124, 5.56, 1.0, 124.0
    ]  # fmt: skip
    # A trace holds six digits: what it calls 0.123 may be 0.1230004.
    assert rounded_up(0.123) == 0.124 and 0 < rounded_up(0.0) < 1e-8


def test_each_layer_ends_at_the_error_that_is_said_of_it(own_network: str, tmp_path: Path) -> None:
    found = run(asked(own_network, until="fc=0.5", classes=("dog",), prior=("none",), steps=8), tmp_path)
    assert {(r["layer"], r["until"]) for r in found["runs"]} == {("conv", None), ("fc", 0.5), (None, None)}
    assert any(r["stopped"] == "until" and r["steps"] < 8 for r in found["runs"] if r["layer"] == "fc")
    with pytest.raises(invert.RequestError, match="--until names the layer conv, which --layer does not"):
        run(asked(own_network, until="conv=0.1,fc=0.5", layer=("fc",)), tmp_path / "no")
    with pytest.raises(invert.RequestError, match="unknown layer 'fd': did you mean fc"):
        run(asked(own_network, until="fd=0.1"), tmp_path / "no")
    for text in ("=0.1", "fc=", "fc=0", "fc=auto", "fc=0.1,conv"):
        with pytest.raises(invert.RequestError):
            parsed([own_network, "--until", text])


@pytest.fixture(scope="module")
def sides(own_network: str, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two checkpoints, of which one is easier to match."""
    out: Path = tmp_path_factory.mktemp("sides")
    state = load(own_network, "random").model.state_dict()
    save_file(state, out / "a.safetensors")
    save_file({n: v + 0.2 * v.std() for n, v in state.items()}, out / "b.safetensors")
    return [f"{own_network}={out / name}.safetensors" for name in "ab"]


def words_of(sides: list[str], out: Path, *more: str) -> list[str]:
    words = ["compare", *sides, "--layer", "conv,fc", "--prior", "none,tv", "--seeds", "3", "--steps", "25"]
    return [*words, "--precision", "fp32", "--quiet", "--until", "auto", "--out", str(out), *more]


@pytest.fixture(scope="module")
def matched(sides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out: Path = tmp_path_factory.mktemp("matched")
    assert main(words_of(sides, out)) == 0
    return out


def test_both_sides_of_a_comparison_end_at_one_error_that_both_reach(matched: Path) -> None:
    for layer in ("conv", "fc"):
        runs = [r for side in "ab" for r in report(matched / side)["runs"] if r["layer"] == layer]
        firsts = [least(matched / side, r) for side in "ab" for r in report(matched / side)["runs"]
                  if r["layer"] == layer]  # fmt: skip
        (error,) = {r["until"] for r in runs}
        assert len(runs) == 12 and all(r["reached"] and r["feature_error"] <= error for r in runs)
        assert max(firsts) <= error <= max(firsts) * 1.0101
    alone = [max(least(matched / s, r) for r in report(matched / s)["runs"]) for s in "ab"]
    assert alone[0] != pytest.approx(alone[1], rel=0.02), "either side alone would have ended there"
    verdict = json.loads((matched / "comparison.json").read_text())["verdict"]
    assert not any("Not run alike" in c or "are not matched at" in c for c in verdict["cautions"])


def test_a_side_of_it_is_made_again_by_its_own_command(
    matched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = shlex.split(report(matched / "b")["command"])[1:]
    assert main([*words, "--quiet", "--out", str(tmp_path / "b")]) == 0
    assert bits(tmp_path / "b") == bits(matched / "b")
    assert main(["--resume", str(matched / "b"), "--quiet"]) == 0


def test_it_goes_on_where_it_was_left_off(
    matched: Path, sides: list[str], tmp_path: Path, capsys: Any
) -> None:
    shutil.copytree(matched, tmp_path / "out")
    shutil.rmtree(tmp_path / "out" / "b")
    shutil.rmtree(tmp_path / "out" / "a" / "runs")
    assert main(words_of(sides, tmp_path / "out")) == 2
    assert "--resume" in capsys.readouterr().err
    assert main(words_of(sides, tmp_path / "out", "--resume")) == 0
    assert [bits(tmp_path / "out" / s) for s in "ab"] == [bits(matched / s) for s in "ab"]


def test_a_folder_is_met_where_its_runs_ended(
    matched: Path, sides: list[str], tmp_path: Path, capsys: Any
) -> None:
    assert main(words_of([str(matched / "a"), sides[1]], tmp_path / "met")) == 0
    assert bits(tmp_path / "met" / "b") == bits(matched / "b")
    assert main(words_of([str(matched / "a" / "first"), sides[1]], tmp_path / "unmet")) == 2
    assert "did not end at one feature error" in capsys.readouterr().err
    assert main(words_of([str(matched / "a"), str(matched / "b")], tmp_path / "both")) == 2
    assert "both sides have been run" in capsys.readouterr().err
