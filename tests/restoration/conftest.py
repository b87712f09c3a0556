"""Small pictures in files, and `invert restore` on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from restoration_helpers import HEIGHT, WIDTH, values

from invert import scans
from invert.cli import main


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., Path]:
    """Saves a picture of some mode: L, LA, RGB, RGBA, L16, LA16, RGB16, RGBA16, P."""

    def save(mode: str = "RGB", name: str = "photo", width: int = WIDTH, height: int = HEIGHT) -> Path:
        file = tmp_path / f"{name}.png"
        if mode == "P":
            save("RGB", name, width, height)
            with Image.open(file) as picture:
                few = picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
            few.save(file)
            return file
        image = values(1 if mode.startswith("L") else 3, width, height)
        alpha = (torch.rand(1, 1, height, width) > 0.3).float() * 0.6 + 0.4 if "A" in mode else None
        file.write_bytes(scans.to_png(image, alpha, deep=mode.endswith("16")))
        return file

    return save


@pytest.fixture
def restore(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs the command into tmp_path/out without a prior's time; gives report.json."""

    def run(*words: object, out: str = "out", status: int = 0) -> dict[str, Any]:
        defaults = {"--prior": "none", "--steps": 3} if "--resume" not in words else {}
        more = [each for name, value in defaults.items() if name not in words for each in (name, value)]
        where = [] if "--resume" in words else ["--out", tmp_path / out]
        command = ["restore", *words, *more, *where, "--quiet"]
        assert main([str(word) for word in command]) == status
        content: dict[str, Any] = json.loads((tmp_path / out / "report.json").read_text())
        return content

    return run


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """The one line with which the command refuses; nothing is written."""

    def run(*words: object) -> str:
        out = tmp_path / "refused"
        assert main(["restore", *map(str, words), "--prior", "none", "--steps", "2", "--out", str(out)]) == 2
        told = capsys.readouterr().err
        assert told.startswith("invert: error: ") and told.count("\n") == 1
        assert not out.exists()
        return told

    return run
