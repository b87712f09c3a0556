"""docs/reliability.md names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", (TESTS.parent / "docs" / "reliability.md").read_text("utf-8"))


def test_the_tests_that_the_table_names_exist() -> None:
    assert len(NAMED) > 50
    missing = [
        f"{file}::{name}" for file, name in NAMED if f"def {name}(" not in (TESTS / file).read_text("utf-8")
    ]
    assert missing == []


def test_every_row_of_the_tables_names_its_test() -> None:
    page = (TESTS.parent / "docs" / "reliability.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and not line.endswith("| test |")]
    assert len(rows) > 100
    assert [row for row in rows if not re.search(r"`[\w/]+\.py::\w+`", row)] == []
