"""What the tests of reliability share: a small network, short runs, and the comparison of two folders."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from invert.cli import main
from invert.sweeps import sweep

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))  # kill_and_resume; processes inherit it


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def invert(own_network: str) -> Callable[..., int]:
    """`invert` on the small network, in this process, quietly."""

    def run(*words: object, model: str = own_network) -> int:
        return main([model, *map(str, words), "--device", "cpu", "--quiet"])

    return run


@pytest.fixture
def seeds_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four seeds are solved together on the CPU, as eight are on an accelerator."""
    monkeypatch.setattr(sweep, "TOGETHER", {"cpu": 4})
