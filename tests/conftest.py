"""What tests share: where the shared folder is, and a network of one's own in a file."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two tests at once, and new processes count as this one does

TESTS = Path(__file__).resolve().parent
SHARED = TESTS.parents[1] / "shared"

SLOW = (
    *("docs", "examples", "reliability", "maximisation/test_objectives.py"),
    *(f"reports/test_{subject}.py" for subject in ("accessibility", "exports", "merge", "page", "pictures")),
    *(
        f"test_{subject}.py"
        for subject in ("cells", "cli", "compare", "conformance", "fail_if", "hostile_pictures")
    ),
    *(f"test_{subject}.py" for subject in ("matched", "options", "packaging", "plugin", "run")),
)
"""Marked `slow`: new processes, browsers, whole studies. `make fast` leaves them out."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        path = item.path.relative_to(TESTS).as_posix()
        if any(path == slow or path.startswith(f"{slow}/") for slow in SLOW):
            item.add_marker(pytest.mark.slow)


OWN_NETWORK = """
from collections import OrderedDict
from torch import nn

SIZE, MEAN, STD = 32, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
CLASSES = ("cat", "dog", "house cat", "golf ball")

def net():
    return nn.Sequential(OrderedDict(
        conv=nn.Conv2d(3, 8, 5, stride=2, padding=2), relu=nn.ReLU(inplace=True),
        pool=nn.AdaptiveAvgPool2d(4), flatten=nn.Flatten(), fc=nn.Linear(128, 4),
    ))
"""


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real weights and photos beside the checkout; the test is skipped where it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"there is no {SHARED}")
    return SHARED


@pytest.fixture(scope="session")
def own_network(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small network in a file, as MODEL: layers conv, relu, pool, fc; 32 px; four classes."""
    file = tmp_path_factory.mktemp("own") / "network.py"
    file.write_text(OWN_NETWORK)
    return f"{file}:net"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Generator[None, Any, Any]:
    """Where INVERT_NO_SKIPS is set, as in continuous integration, a skipped test has failed.

    Only the shared folder may be missing: a clone elsewhere does not have it.
    """
    report = yield
    if report.skipped and os.environ.get("INVERT_NO_SKIPS") and not _needs_absent_shared(report):
        report.outcome = "failed"
        report.longrepr = f"skipped, which INVERT_NO_SKIPS does not allow: {report.longrepr}"
    return report


def _needs_absent_shared(report: Any) -> bool:
    return not SHARED.is_dir() and str(SHARED) in str(report.longrepr)
