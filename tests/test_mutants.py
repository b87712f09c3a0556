"""The list of breakages that the tests must notice is up to date."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

from mutants import MUTANTS, Mutant, applied


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_every_change_still_applies(mutant: Mutant) -> None:
    compile(applied(mutant), mutant.file, "exec")
