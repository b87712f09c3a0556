"""What the documentation says is so: its code runs, it names all there is, and the site builds."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from follow import blocks, follow

import invert
from invert import registry
from invert.cli import main
from invert.measures import Measure
from invert.sweeps.request import SUBCOMMANDS

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = [page for page in (ROOT / "README.md", *sorted(DOCS.glob("*.md"))) if any(blocks(page))]

FOR_USERS = ("getting-started", "reading-a-report", "priors", "objectives", "measures", "plugins")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]+")


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder, and an environment where `pip install` leaves the real one as it is."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(site)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    for option, value in {"TARGET": site, "NO_DEPS": 1, "NO_BUILD_ISOLATION": 0, "NO_INDEX": 1}.items():
        monkeypatch.setenv(f"PIP_{option}", str(value))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", None)).startswith(str(tmp_path)):
            del sys.modules[name]
    registry._claims.cache_clear()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_runs(page: Path, newcomer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    follow(page, newcomer)
    if page.name == "plugins.md":
        assert "blocks.side" in capsys.readouterr().out
        report = json.loads((newcomer / "squares" / "report.json").read_text())
        assert report["runs"][0]["prior"] == "blocks"
        assert report["runs"][0]["settings"]["side"] == 4
        assert "blocks" in (newcomer / "squares" / "report.html").read_text()


def ours(group: registry.Group) -> dict[str, type]:
    """What this package registers: others document their own."""
    plugins = registry.working(group).items()
    return {
        name: cls for name, cls in plugins if cls.__module__.partition(".")[0] in ("invert", "invert_priors")
    }


def test_the_pages_name_all_that_is_registered() -> None:
    pages = {name: (DOCS / f"{name}.md").read_text() for name in ("priors", "objectives", "measures")}
    for name in ours("invert.priors"):
        assert f"`{name}`" in pages["priors"]
    for name, objective in ours("invert.objectives").items():
        assert f"`{name}`" in pages["objectives"] and objective.__name__ in pages["objectives"]
    for name in ours("invert.operators"):
        assert f"| `{name}(" in pages["objectives"]
    for name in ours("invert.stops"):
        assert f"`{name}`" in pages["objectives"]
    for measure in ours("invert.measures").values():
        for name in [measure.name] if issubclass(measure, Measure) else measure.descriptions:
            assert f"`{name}`" in pages["measures"] or f"`{name}.FACET`" in pages["measures"], name


def test_the_api_page_has_every_public_name() -> None:
    page = (DOCS / "api.md").read_text()
    assert [name for name in invert.__all__ if f":: invert.{name}\n" not in page] == []


def test_the_options_that_the_pages_name_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("", *SUBCOMMANDS):
        assert main([*command.split(), "--help"]) == 0
    there = set(OPTION.findall(capsys.readouterr().out))
    for page in (ROOT / "README.md", *(DOCS / f"{name}.md" for name in FOR_USERS)):
        assert set(OPTION.findall(page.read_text())) <= there, page.name


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(DOCS), str(tmp_path / "html")]
    done = subprocess.run([*command, "-d", str(tmp_path / "cache")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    api = (tmp_path / "html" / "api.html").read_text()
    assert "invert.FeatureMatch" in api
