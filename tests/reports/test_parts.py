"""A report too large for one page: an overview, and pages behind it that hold every run once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from report_factory import HOSTILE, Factory

import invert_reports
from invert.report import read_report
from invert_reports.html import page, parts


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 layers × 2 priors × 36 photos × 2 seeds = 432 runs; a hostile name among the layers."""
    factory = Factory(tmp_path_factory.mktemp("large"), side=16)
    for n in range(36):
        factory.photo(f"photo {n}.jpg", turn=n % 4)
    factory.feature(("conv1", HOSTILE, "fc6"), ("dip", "tv"), snapshots=())
    factory.write()
    invert_reports.write_page(factory.out)
    return factory.out


def test_every_run_is_on_one_of_the_pages(large: Path) -> None:
    report = read_report(large)
    found = parts.parts(report)
    times = Counter(run.id for part in found for run in part.report.runs)
    assert set(times.values()) == {1} and times.keys() == {run.id for run in report.runs}
    assert len({part.file.casefold() for part in found}) == len(found)
    assert all(len(part.report.runs) <= parts.WHOLE for part in found)
    assert sorted(file.name for file in (large / "pages").iterdir()) == sorted(part.file for part in found)


def test_the_overview_says_what_it_leaves_out_and_leads_there(large: Path) -> None:
    text = (large / "report.html").read_text(encoding="utf-8")
    told = re.search(r"pictures of (\d+) of 432 runs, (\d+) of 36 photos", text)
    assert told is not None and int(told[1]) <= parts.SHOWN and 1 < int(told[2]) < 36
    assert "Pooled over 36 photos, 2 seeds" in text  # as the bars are
    assert "3 layers × 2 priors × 36 photos × 2 seeds" in text  # the whole study, not what is shown of it
    links = re.findall(r'href="(pages/[^"]+)"', text)
    assert len(links) == len(list((large / "pages").iterdir()))
    for link in links:
        behind = (large / link).read_text(encoding="utf-8")
        assert 'href="../report.html"' in behind and "a part of" in behind
        assert "<script>alert" not in behind


def test_the_pages_open_and_lead_to_one_another(large: Path, visit: Callable[..., Any]) -> None:
    overview = visit(large)
    assert overview.locator("nav.parts a").count() == len(list((large / "pages").iterdir()))
    behind = visit(large, overview.locator("nav.parts a").first.get_attribute("href"))
    behind.locator("button.open").first.click()
    assert behind.locator("#closer").is_visible()


def test_the_overview_shows_the_photos_that_rows_name(large: Path) -> None:
    from dataclasses import replace

    from invert.report import Ranking

    report = read_report(large)
    last, ranking = report.images[-1].id, Ranking(by="ssim", best=["photo-7"], worst=[report.images[-1].id])
    report = replace(report, layers=[replace(row, ranking=ranking) for row in report.layers])
    shown = [photo.id for photo in parts.overview(report).images]
    assert shown[0] == report.images[0].id and {"photo-7", last} <= set(shown)


def test_a_page_behind_is_drawn_again_where_it_changed_and_only_there(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    write = page.write_whole
    monkeypatch.setattr(
        page, "write_whole", lambda path, content: drawn.append(path.name) or write(path, content)
    )
    report = read_report(large)
    invert_reports.write_page(large, report)
    assert drawn == ["report.html"]
    run = next(run for run in report.runs if run.layer == "fc6")
    run.sha256 = "0" * 64
    invert_reports.write_page(large, report)
    assert len(drawn) == 3 and drawn[1].startswith("fc6-")


def test_a_report_of_moderate_size_is_one_page(make: Callable[..., Factory]) -> None:
    factory = make(side=16).feature(("conv1",), ("dip",), kept=False, snapshots=())
    invert_reports.write_page(factory.write())
    assert not (factory.out / "pages").exists()
    assert 'class="parts"' not in (factory.out / "report.html").read_text(encoding="utf-8")


def test_targets_are_parted_too(make: Callable[..., Factory], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "WHOLE", 12)
    monkeypatch.setattr(parts, "SHOWN", 3)
    factory = make(side=16).maximise(("zebra", HOSTILE, "cat", "dog"))
    report = read_report(factory.write())
    found = parts.parts(report)
    assert sorted(r.id for part in found for r in part.report.runs) == sorted(r.id for r in report.runs)
    assert [len(part.report.runs) for part in found] == [12, 12] and len(parts.overview(report).runs) <= 3
