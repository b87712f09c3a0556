"""The page of the house and the contracts that hold it name the same rooms."""

from __future__ import annotations

import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_names_every_room() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (house,) = (c for c in project["tool"]["importlinter"]["contracts"] if c["type"] == "layers")
    rooms = {room for floor in house["layers"] for room in re.findall(r"\w+", floor)} - {"__main__"}
    page = (ROOT / "docs" / "architecture.md").read_text()
    assert {room for room in rooms if not re.search(rf"\b{room}\b", page)} == set()
