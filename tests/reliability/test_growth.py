"""A finished study gone on with: as it was, or with more of what it holds."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from kill_and_resume import contents, differences, finished
from PIL import Image
from reliability_helpers import report

from invert.cli import main
from invert.errors import RequestError
from invert.photos import default_photo
from invert.sweeps import growth
from invert.sweeps.request import Request
from invert.sweeps.sweep import Sweep
from invert.sweeps.worker import GroupStep

Invert = Callable[..., int]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name, colour in (("red", "red"), ("sea", "navy")):
        picture = Image.new("RGB", (40, 40), colour)
        picture.paste("white", (10, 10, 30, 30))
        picture.save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def small(own_network: str, photos: Path) -> Request:
    return Request(
        model=own_network, layer=("fc",), prior=("none",), image=(str(photos / "red.png"),), steps=2,
        seeds=(0, 1), settings={"none": {"learning_rate": "0.1"}}, device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="module")
def study(small: Request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study") / "out"
    run(small, out)
    return out


def run(request: Request, out: Path) -> None:
    for _ in Sweep(request).run(out, resume=True):
        pass


def resume(out: Path, *words: object) -> int:
    return main([*map(str, words), "--resume", str(out), "--quiet"])


def test_a_folder_alone_is_gone_on_with(small: Request, study: Path, tmp_path: Path) -> None:
    out = shutil.copytree(study, tmp_path / "out")
    (out / "runs" / "fc-none-red-s1" / "record.json").unlink()
    before = finished(out)
    assert resume(out) == 0
    assert before.items() <= finished(out).items()
    assert differences(contents(study), contents(out)) == []
    assert json.loads((out / "request.json").read_text()) == json.loads((study / "request.json").read_text())


def test_more_of_everything_is_the_study_that_asked_for_it_at_once(
    small: Request, study: Path, photos: Path, tmp_path: Path
) -> None:
    """Seeds, a layer, a prior with settings, a photo, a class and controls, one after the other."""
    out = shutil.copytree(study, tmp_path / "out")
    grow = [
        ("--seeds", 3), ("--layer", "conv"), ("--prior", "tv", "--set", "tv.weight=0.5"),
        (small.model, "--image", photos / "sea.png"), ("--class", "dog"), ("--controls",),
    ]  # fmt: skip
    for words in grow:
        before = finished(out)
        assert resume(out, *words) == 0
        assert before.items() <= finished(out).items() and len(before) < len(finished(out))
    words = ["--layer", "fc,conv", "--class", "dog", "--prior", "none,tv", "--seeds", 3, "--steps", 2]
    words += ["--image", photos / "red.png", "--image", photos / "sea.png", "--controls", "--device", "cpu"]
    words += ["--set", "none.learning_rate=0.1", "--set", "tv.weight=0.5"]
    assert main([small.model, *map(str, words), "--out", str(tmp_path / "once"), "--quiet"]) == 0
    assert differences(contents(tmp_path / "once"), contents(out)) == []
    assert len(finished(out)) == 2 * 2 * 2 * 3 * 2 + 2 * 3
    rows = report(out)["layers"]
    assert [(row["photos"], row["seeds"]) for row in rows] == [(2, 3)] * 4
    again = shlex.split(report(out)["command"])[1:]
    assert main([*again, "--resume", str(out), "--quiet"]) == 0


def test_seeds_are_counted_from_the_first_that_is_held(small: Request, tmp_path: Path) -> None:
    held = growth.grown(small, {"seed": 5, "seeds": 2}, tmp_path)
    assert held.seeds == (0, 1, 5, 6)
    later = Request(model="alexnet-mini", seeds=(5, 6))
    assert growth.grown(later, {"seeds": 4}, tmp_path).seeds == (5, 6, 7, 8)
    assert growth.grown(later, {"seeds": 1}, tmp_path).seeds == (5, 6)
    assert growth.grown(later, {"seeds": (1, 9)}, tmp_path).seeds == (1, 5, 6, 9)


def test_the_photo_that_comes_unasked_stays(own_network: str, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ("--layer", "fc", "--prior", "none", "--steps", 2, "--device", "cpu")
    assert resume(out, own_network, *words) == 0
    before = finished(out)
    assert resume(out, "--image", photos / "red.png") == 0
    assert before.items() <= finished(out).items() and len(finished(out)) == 2
    assert [image["name"] for image in report(out)["images"]] == [default_photo().name, "red.png"]
    commands = [record["command"] for record in report(out)["runs"]]
    assert str(default_photo()) in commands[0] and "red.png" in commands[1]


def test_a_photo_more_in_the_folder_of_photos_is_new(own_network: str, photos: Path, tmp_path: Path) -> None:
    folder, out = shutil.copytree(photos, tmp_path / "photos"), tmp_path / "out"
    words = ("--layer", "fc", "--prior", "none", "--steps", 2, "--device", "cpu", "--image", folder)
    assert resume(out, own_network, *words) == 0
    before = finished(out)
    Image.new("RGB", (40, 40), "lime").save(folder / "green.png")
    assert resume(out) == 0
    assert before.items() <= finished(out).items() and len(finished(out)) == 3
    (folder / "red.png").unlink()
    assert resume(out) == 2 and len(finished(out)) == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--steps", 3), "steps was 2, now 3"),
        (("--set", "none.learning_rate=0.2"), "none.learning_rate was 0.1, now 0.2"),
        (("--set", "none.warmup=0.1"), "none.warmup was not set, now 0.1"),
        (("--weights", "random"), "weights was None, now 'random'"),
        (("--mean", "0,0,0"), "mean was None, now (0.0, 0.0, 0.0)"),
        (("--until", 0.1), "until was None, now 0.1"),
        (("--views", 3), "views was None, now 3"),
        (("--judge", "alexnet-mini"), "judge was None, now 'alexnet-mini'"),
        (("alexnet-mini",), "now 'alexnet-mini'"),
    ],
)
def test_what_would_change_cells_is_refused(
    words: tuple[object, ...], told: str, study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(study)
    assert resume(study, *words, "--seeds", 5) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "was made by another request: " in error and told in error
    assert contents(study) == before


def test_less_than_a_study_holds_is_refused_in_the_library(small: Request, study: Path) -> None:
    for less in (
        {"seeds": (0,)}, {"layer": ("conv",)}, {"prior": ("tv",), "settings": {}}, {"settings": {}},
        {"image": ()}, {"settings": {"none": {"learning_rate": "0.1", "warmup": "0.1"}}},
    ):  # fmt: skip
        request = Request(**{**{name: getattr(small, name) for name in small.as_json()}, **less})  # type: ignore[arg-type]
        with pytest.raises(RequestError, match="was made by another request"):
            run(request, study)


def test_a_growth_that_was_killed_goes_on(small: Request, study: Path, tmp_path: Path) -> None:
    """Killed in the middle of a new cell: what is on the disk then is what the generator leaves."""
    out = shutil.copytree(study, tmp_path / "out")
    before = finished(out)
    request = growth.grown(small, {"layer": ("conv",), "seeds": 3}, out)
    events = Sweep(request).run(out, resume=True)
    next(event for event in events if isinstance(event, GroupStep) and event.step == 2)
    events.close()
    content = report(out)
    assert content["status"] == "interrupted" and len(content["runs"]) >= 2
    assert resume(out) == 0
    assert before.items() <= finished(out).items()
    assert resume(tmp_path / "once", *shlex.split(request.command())[1:]) == 0
    assert differences(contents(tmp_path / "once"), contents(out)) == []


@pytest.mark.parametrize(
    "content", ["{}", "[]", "", '{"model": 3}', '{"model": "alexnet-mini", "seeds": "a"}', "[" * 10**5]
)
def test_a_request_that_is_none_is_one_line(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "request.json").write_text(content)
    assert resume(tmp_path) == 2
    error = capsys.readouterr().err
    assert error.startswith("invert: error: ") and error.count("\n") == 1 and "request.json" in error


def test_nothing_to_go_on_with_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--resume", str(tmp_path / "none")], ["--resume"], ["--layer", "fc"], []):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert error.startswith("invert: error: ") and error.count("\n") == 1


def test_what_the_folder_asks_for_is_shown(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--resume", str(study)]) == 0
    assert f"invert: going on with {report(study)['command']}" in capsys.readouterr().err


@pytest.mark.parametrize("role", ["model", "judge"])
def test_a_program_that_came_with_the_folder_is_not_run_unasked(
    role: str,
    small: Request,
    study: Path,
    own_network: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever goes on with a folder of somebody else's has not said which program is to be run."""
    out = shutil.copytree(study, tmp_path / "out")
    source = Path(own_network.removesuffix(":net")).read_text()
    (out / "net.py").write_text(f"open({str(tmp_path / 'was run')!r}, 'w').close()\n{source}")
    (tmp_path / "link").symlink_to(out)
    held = json.loads((out / "request.json").read_text())
    held[role] = f"{tmp_path / 'link' / 'net.py'}:net"
    (out / "request.json").write_text(json.dumps(held))
    assert resume(out) == resume(tmp_path / "link", "--seeds", "3") == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and "names a model file inside it, which would be run" in told[0]
    assert not (tmp_path / "was run").exists()
    named = [held["model"]] if role == "model" else ["--judge", held["judge"]]
    assert resume(out, *named) == 2  # another network than before, by its digest; but it was named
    assert (tmp_path / "was run").exists()


@pytest.mark.parametrize(
    "held", [{"model": "a\0.py:net"}, {"model": "a\0"}, {"image": ["a\0.png"]}, {"judge": "\ud800.py:net"}]
)
def test_a_request_that_names_no_path_is_one_line(
    held: dict[str, object],
    study: Path,
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = shutil.copytree(study, tmp_path / "out")
    made_by = json.loads((out / "request.json").read_text())
    (out / "request.json").write_text(json.dumps(made_by | held))
    assert resume(out) == resume(out, "--image", photos / "sea.png") == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 2 and "--debug" not in told


@pytest.mark.parametrize("plugin", ["odds", "wmv"])
def test_settings_of_an_objective_or_a_stop_that_is_there_are_refused(plugin: str, tmp_path: Path) -> None:
    """Their cells would be others; those of one that is new come on top."""
    held = Request(model="m", objective=("odds",), stop=("wmv",), settings={"odds": {"target": "1"}})
    with pytest.raises(RequestError, match=rf"{plugin}\.patience was not set, now 3"):
        growth.grown(held, {"set": [(plugin, "patience", "3")]}, tmp_path)
    more = growth.grown(held, {"objective": ("class",), "set": [("class", "target", "2")]}, tmp_path)
    assert more.objective == ("odds", "class") and more.settings["class"] == {"target": "2"}
    changed = replace(held, settings={**held.settings, plugin: {"target": "1", "patience": "3"}})
    assert (
        growth.differences(changed.as_json(), held.as_json())
        != []
        == growth.differences(more.as_json(), held.as_json())
    )
