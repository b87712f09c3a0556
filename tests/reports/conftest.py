"""Synthetic reports, and a headless Chromium that notices errors and requests."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from report_factory import HOSTILE, Factory

import invert_reports

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Factory]:
    """Factories of reports in folders of their own."""

    def factory(name: str = "out", **known: Any) -> Factory:
        out = tmp_path / name
        out.mkdir()
        return Factory(out, **known)

    return factory


@pytest.fixture(scope="session")
def inversions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished report: 4 layers × 3 priors × 2 photos × 2 seeds, hostile names, one run failed."""
    factory = Factory(tmp_path_factory.mktemp("inversions"), status="failed")
    factory.photo("grace.jpg")
    factory.photo(f"{HOSTILE}.jpg", turn=1)
    factory.feature(
        ("conv1", "features.3", "fc6", HOSTILE), fail=("features.3", "none", 1), skip=("fc6", "tv", 1)
    )
    invert_reports.write_page(factory.write())
    return factory.out


@pytest.fixture(scope="session")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    factory = Factory(tmp_path_factory.mktemp("gallery"))
    invert_reports.write_page(factory.maximise(("zebra", HOSTILE)).write())
    return factory.out


@dataclass
class Opened:
    """A page in the browser, with everything that went wrong on it."""

    page: Any
    problems: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.page, name)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (dev extra)")
    if shutil.which(CHROMIUM) is None:
        pytest.skip(f"{CHROMIUM} is not installed (apt-get install chromium)")
    with playwright.sync_playwright() as session:
        chromium = session.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Callable[..., Opened]]:
    """Opens a report's page; in the end nothing may have failed and nothing been asked of the network."""
    visited = []

    def open_page(out: Path, name: str = "report.html", **options: Any) -> Opened:
        options = {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light", **options}
        context = browser.new_context(**options)
        opened = Opened(context.new_page())
        visited.append((context, opened))
        address = (out / name).resolve().as_uri()
        opened.page.on("pageerror", lambda error: opened.problems.append(f"error: {error}"))
        opened.page.on("console", lambda message: opened.problems.append(f"console: {message.text}"))
        opened.page.on("dialog", lambda dialog: opened.problems.append(f"dialog: {dialog.message}"))
        opened.page.on(
            "request",
            lambda request: (
                request.url.split("#")[0] == address
                or request.url.startswith("data:")
                or opened.problems.append(f"request: {request.url}")
            ),
        )
        opened.page.goto(address)
        return opened

    yield open_page
    for context, opened in visited:
        context.close()
        assert opened.problems == []
