"""Each example does what its first line says, here with few steps."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
import safetensors.torch
from PIL import Image

from invert.subjects.sources.alexnet_mini import alexnet_mini

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(script: str, *words: object) -> None:
    sys.argv = [script, *map(str, words)]
    runpy.run_path(str(EXAMPLES / script), run_name="__main__")


def size(picture: str) -> tuple[int, int]:
    with Image.open(picture) as opened:
        return opened.size


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv)


def test_own_network(capsys: pytest.CaptureFixture[str]) -> None:
    run("own_network.py", "--steps", 2)
    assert size("own_network.png") == (128, 128)
    printed = capsys.readouterr().out
    assert "conv3" in printed and "feature error" in printed


def test_compare_priors(capsys: pytest.CaptureFixture[str]) -> None:
    run("compare_priors.py", "--steps", 2)
    assert size("compare_priors.png") == (3 * 128, 128)
    printed = capsys.readouterr().out
    assert "dip" in printed and "tv" in printed


def test_finetuned_classes(capsys: pytest.CaptureFixture[str]) -> None:
    safetensors.torch.save_file(alexnet_mini(classes=2).state_dict(), "mine.safetensors")
    Path("mine.txt").write_text("healthy\nrusty\n")
    run("finetuned_classes.py", "--weights", "mine.safetensors", "--labels", "mine.txt", "--steps", 2)
    assert sorted(path.name for path in Path("classes").iterdir()) == ["000.png", "001.png"]
    assert "rusty: probability" in capsys.readouterr().out


def test_two_checkpoints(capsys: pytest.CaptureFixture[str]) -> None:
    run("two_checkpoints.py", "--steps", 2, "--seeds", 2)
    assert "kept.luminance" in capsys.readouterr().out


def test_paper_figure() -> None:
    run("paper_figure.py", "--layers", "relu1", "fc6", "--priors", "tv", "dip", "--steps", 2)
    assert Path("paper_figure.pdf").read_bytes().startswith(b"%PDF")


def test_every_script_says_what_it_shows_and_how_to_run_it() -> None:
    for script in EXAMPLES.glob("*.py"):
        assert f"{script.name}" in script.read_text().split('"""')[1], script.name
