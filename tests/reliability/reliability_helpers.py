"""What these tests ask of a folder, and the options of a small run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TINY_DIP = ("channels=4,4", "skip_channels=1,1", "kernels_down=3,3", "kernels_up=3,3", "input_channels=4")


def report(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return content


def tiny_dip() -> list[str]:
    """The options that make the generator small."""
    return [word for setting in TINY_DIP for word in ("--set", f"dip.{setting}")]
