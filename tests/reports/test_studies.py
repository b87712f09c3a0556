"""A study looked at from Python: what a notebook shows is the page, and it works there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import invert
from invert.cli import main


@pytest.fixture(scope="module")
def out(own_network: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study") / "out"
    words = ["--layer", "conv,relu", "--prior", "none", "--steps", "2", "--out", str(out), "--quiet"]
    assert main([own_network, *words]) == 0
    return out


def test_it_holds_the_report_and_says_little(out: Path) -> None:
    study = invert.study(out)
    assert [run.layer for run in study.report.runs] == ["conv", "relu"]
    assert len(repr(study)) < 300 and study.page == out / "report.html"


def test_a_folder_without_a_report_is_told(tmp_path: Path) -> None:
    with pytest.raises(invert.RequestError, match=r"holds no report\.json: name a folder"):
        invert.study(tmp_path)


def test_without_a_page_it_says_how_to_draw_it(out: Path, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes((out / "report.json").read_bytes())
    assert "invert report" in invert.study(tmp_path)._repr_html_()


def test_the_page_works_in_a_cell_and_reaches_nothing_around_it(
    out: Path, tmp_path: Path, browser: Any
) -> None:
    cell = tmp_path / "notebook.html"
    cell.write_text(f"<p id=around>around</p>{invert.study(out)._repr_html_()}", encoding="utf-8")
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(cell.as_uri())
    frame = page.frame_locator("iframe")
    frame.locator("button.open").first.click()
    assert frame.locator("#closer").is_visible()
    assert "conv" in frame.locator("#closer-title").inner_text()
    assert problems == []
    page.close()
