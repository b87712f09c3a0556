"""A third party's plug-in, installed and used by its entry point; broken ones, which break nothing else."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import invert
from invert import registry
from invert.cli import main
from invert.photos import default_photo
from invert.report import read_report
from invert.testing import tiny_subject
from invert.typed_json import to_json

PLUGIN = Path(__file__).resolve().parents[1] / "examples" / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example plug-in, as pip installs it."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    subprocess.run([*pip, *options, str(PLUGIN)], check=True)
    return target


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder that packages are imported from, and the registry that looks anew."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    registry._claims.cache_clear()
    yield folder
    registry._claims.cache_clear()


def in_new_process(program: str, *words: object, site: Path, cwd: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    command = [str(Path(sys.executable).parent / program), *map(str, words)]
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_listed_runs_and_is_in_the_report(installed: Path, own_network: str, tmp_path: Path) -> None:
    listed = in_new_process("invert", "priors", site=installed, cwd=tmp_path)
    assert "cosine: Pixels reached" in listed
    assert "cosine.falloff" in listed
    words = ["--layer", "conv", "--prior", "cosine", "--set", "cosine.falloff=1.5", "--steps", 3]
    in_new_process("invert", own_network, *words, "--out", "out", site=installed, cwd=tmp_path)
    (run,) = json.loads((tmp_path / "out" / "report.json").read_text())["runs"]
    assert (run["prior"], run["settings"]["falloff"], run["error"]) == ("cosine", 1.5, None)
    assert "cosine" in (tmp_path / "out" / "report.html").read_text()


def test_its_own_tests_pass(installed: Path, tmp_path: Path) -> None:
    tests = [PLUGIN / "test_invert_cosine.py", PLUGIN / "test_others.py"]
    words = ["-p", "no:cacheprovider", "--rootdir", tmp_path, *tests]
    assert "passed" in in_new_process("pytest", *words, site=installed, cwd=tmp_path)


def test_its_stop_and_measure_serve_the_command_line(
    installed: Path, own_network: str, tmp_path: Path
) -> None:
    words = [
        "--layer",
        "conv",
        "--prior",
        "none",
        "--stop",
        "fraction",
        "--set",
        "fraction.left=0.7",
        "--steps",
        60,
    ]
    in_new_process("invert", own_network, *words, "--out", "out", site=installed, cwd=tmp_path)
    (run,) = json.loads((tmp_path / "out" / "report.json").read_text())["runs"]
    assert run["stopped"] == "fraction" and 1 < run["steps"] < 60 and run["reached"] is None
    assert run["measures"]["brightness"] is not None
    assert "--stop fraction" in run["command"] and "--set fraction.left=0.7" in run["command"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "fraction" in page and "brightness" in page


POSED = [
    "--layer", "conv", "--objective", "silence,texture", "--set", "silence.layer=conv",
    "--set", "texture.layer=relu", "--prior", "none", "--seeds", "2", "--steps", "40",
    "--stop", "fraction", "--set", "fraction.left=0.2",
]  # fmt: skip


def test_its_objectives_stop_and_measure_run_from_the_command_line(
    installed: Path, own_network: str, tmp_path: Path
) -> None:
    """A layer, an objective that takes a photo and one that takes none, in one study that can grow."""
    command = partial(in_new_process, "invert", site=installed, cwd=tmp_path)
    printed = command(own_network, *POSED, "--out", "out")
    assert all(name in printed for name in ("conv", "texture", "silence"))
    report = read_report(tmp_path / "out")
    assert {(r.objective, r.layer, r.target, r.posed and r.posed.name) for r in report.runs} == {
        ("feature", "conv", None, None),
        ("feature", "texture", None, "texture"),
        ("unit", None, "silence", "silence"),
    }
    assert [(row.layer, row.posed and row.posed.settings) for row in report.layers] == [
        ("conv", None),
        ("texture", {"layer": "relu"}),
    ]
    row = report.layers[1]
    assert row.match is None and row.measures["kept.luminance"] is not None
    assert row.measures["brightness"] is not None
    silent = [run for run in report.runs if run.target == "silence"]
    assert {run.image for run in silent} == {None} and "fraction" in {run.stopped for run in silent}
    # A run's own command asks for it alone, and for the same picture.
    (run, *_) = (run for run in report.runs if run.layer == "texture")
    assert "--layer" not in run.command and "silence" not in run.command
    command(*shlex.split(run.command)[1:], "--out", "alone")
    (alone,) = read_report(tmp_path / "alone").runs
    assert alone.sha256 == run.sha256 and to_json(alone.posed) == to_json(run.posed)
    # Nothing is done again; a seed more is.
    before = records(tmp_path / "out")
    command("--resume", "out", "--seeds", "3")
    after = records(tmp_path / "out")
    assert before.items() <= after.items() and len(after) == len(before) + 3
    page = (tmp_path / "out" / "report.html").read_text()
    assert "or by the objective that is named beside it" in page
    assert "<li>layer relu</li>" in page and "Picture by the objective texture for grace_hopper" in page
    held = {**json.loads((tmp_path / "out" / "report.json").read_text())}
    assert held["command"].count("--objective silence,texture") == 1


def records(out: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("runs/*/record.json")}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--objective", "silense"], "unknown objective 'silense': did you mean silence?"),
        (["--objective", "silence"], "the objective 'silence' needs its layer: --set silence.layer=VALUE"),
        (["--objective", "silence", "--set", "silence.layer=cnv"], "did you mean conv?"),
        (["--objective", "silence", "--set", "silence.lyer=conv"], "'lyer': did you mean layer?"),
        (["--layer", "conv", "--set", "silence.layer=conv"], "--set names 'silence', which"),
        (["--objective", "texture", "--set", "texture.layer=fc"], "fc has no places"),
        (["--objective", "observation"], "cannot be had by name: its operator is no setting"),
    ],
)
def test_what_cannot_be_asked_of_an_objective_is_told_in_one_line(
    installed: Path, own_network: str, tmp_path: Path, words: list[str], told: str
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed), "OMP_NUM_THREADS": "1"}
    command = [Path(sys.executable).parent / "invert", own_network, *words, "--out", "out"]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2 and told in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_registering_one_of_each_kind_breaks_no_test(installed: Path, tmp_path: Path) -> None:
    """Those that walk the registries, in a process where all five are registered."""
    tests = Path(__file__).parent
    words = ["-p", "no:cacheprovider", tests / "test_conformance.py", tests / "test_shapes.py"]
    named = "test_the_pages_name_all_that_is_registered"
    words.append(tests / "docs" / f"test_documentation.py::{named}")
    assert "passed" in in_new_process("pytest", *words, site=installed, cwd=tests.parent)


def announce(site: Path, package: str, group: str, name: str, value: str) -> None:
    """What pip leaves of a package that announces one entry point."""
    folder = site / f"{package}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(f"[{group}]\n{name} = {value}\n")
    importlib.invalidate_caches()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("nowhere_to_be_found:Prior", "ModuleNotFoundError"),
        ("json:NoSuchThing", "AttributeError"),
        ("explodes:Prior", "ZeroDivisionError"),
    ],
)
def test_a_broken_plugin_is_reported_and_breaks_nothing_else(
    site: Path, value: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / "explodes.py").write_text("1 / 0\n")
    announce(site, "faulty", "invert.priors", "faulty", value)
    assert main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert f"the prior 'faulty' from {value} (faulty 1.0) cannot be loaded: {reason}" in told
    (listed,) = [line for line in told.splitlines() if line.strip().startswith("priors: ")]
    assert "dip" in listed and "tv" in listed and "faulty" not in listed
    assert main(["priors"]) == 0
    with pytest.raises(invert.RequestError, match=reason):
        invert.prior("faulty")
    assert invert.prior("tv").name == "tv"


@pytest.mark.parametrize("group", ["priors", "measures"])
def test_a_plugin_that_exits_does_not_end_the_run_as_done(
    group: str,
    site: Path,
    own_network: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It ended with status 0 and no report. What it prints is no answer, and we stay where we are."""
    (site / "leaves.py").write_text("import os, sys\nprint('bye')\nos.chdir('/')\nsys.exit(0)\n")
    announce(site, "leaving", f"invert.{group}", "leaving", "leaves:Plugin")
    monkeypatch.chdir(tmp_path)
    prior = "leaving" if group == "priors" else "none"
    words = ["--layer", "conv", "--prior", prior, "--steps", "1", "--device", "cpu", "--quiet", "--json"]
    status = main([own_network, *words, "--out", "out"])
    printed, told = capsys.readouterr()
    if group == "priors":
        assert (status, printed) == (2, "")
        assert "the prior 'leaving' from leaves:Plugin (leaving 1.0) cannot be loaded: SystemExit" in told
    else:
        assert status == 0 and json.loads(printed)["status"] == "done"
    assert Path.cwd() == tmp_path and "bye" in told
    assert main(["doctor"]) == 1


@pytest.mark.parametrize("name", ["twin", "tv"], ids=["of two newcomers", "of a built-in prior"])
def test_two_that_claim_one_name_are_reported(
    site: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    announce(site, "one", "invert.priors", name, "invert_priors.none:Pixels")
    announce(site, "other", "invert.priors", name, "invert_priors.dip:DeepImagePrior")
    assert main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert f"claim the prior '{name}'" in told
    assert (
        "invert_priors.none:Pixels (one 1.0)" in told
        and "invert_priors.dip:DeepImagePrior (other 1.0)" in told
    )
    with pytest.raises(invert.RequestError, match="claim the prior"):
        invert.prior(name)
    assert invert.prior("none").name == "none"


def test_a_broken_measure_is_left_out_of_a_run(site: Path, own_network: str, tmp_path: Path) -> None:
    announce(site, "faulty", "invert.measures", "faulty", "nowhere_to_be_found:Measure")
    assert main([own_network, "--layer", "conv", "--prior", "none", "--steps", "2",
                 "--out", str(tmp_path / "out"), "--quiet"]) == 0  # fmt: skip


@pytest.mark.parametrize("value", ["json:dumps", "collections:OrderedDict"])
@pytest.mark.parametrize("group", registry.GROUPS)
def test_what_is_of_another_kind_is_refused(
    site: Path, group: registry.Group, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    announce(site, "misfit", group, "misfit", value)
    assert main(["doctor"]) == 1
    assert f"'misfit' from {value} (misfit 1.0) is no class derived from invert." in capsys.readouterr().out
    assert "misfit" not in registry.working(group)


FAILING = """
from invert import Description, Measure

class Failing(Measure):
    name = "failing"
    description = Description("fails", "", (0, 1), "higher", "a test")

    def __call__(self, evidence):
        raise {error}
"""


@pytest.mark.parametrize(
    "error", ["KeyError('gone')", "SystemExit(0)", "type('Panic', (BaseException,), {})()"]
)
def test_a_measure_that_fails_costs_its_own_number(
    error: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "failing", raising=False)
    (site / "failing.py").write_text(FAILING.replace("{error}", error))
    announce(site, "failing", "invert.measures", "failing", "failing:Failing")
    objective = invert.FeatureMatch("conv", tiny_subject().image(default_photo()))
    with pytest.warns(UserWarning, match="the measure Failing failed: (KeyError|SystemExit|Panic)"):
        result = invert.run(tiny_subject(), objective, "none", steps=1)
    assert result.measures["failing"] is None
    assert result.measures["psnr"] is not None


START = "    def start(self, shape, rngs): ...\n"


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("class Careless(Prior):\n    name = 'careless'\n", "no frozen dataclass"),
        ("@dataclass(frozen=True, kw_only=True)\nclass Careless(Prior):\n", "has no name"),
    ],
)
def test_a_prior_that_is_no_dataclass_is_said_to_be_none(
    site: Path, code: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ended `invert priors` in an IndexError, and doctor called it fine."""
    (site / "careless.py").write_text(
        f"from dataclasses import dataclass\nfrom invert import Prior\n{code}{START}"
    )
    announce(site, "careless", "invert.priors", "careless", "careless:Careless")
    try:
        assert main(["doctor"]) == 1
        assert "the prior 'careless' from careless:Careless (careless 1.0)" in (
            told := capsys.readouterr().out
        )
        assert problem in told
        assert main(["priors"]) == 0
        with pytest.raises(invert.RequestError, match=problem):
            invert.prior("careless")
    finally:
        sys.modules.pop("careless", None)
