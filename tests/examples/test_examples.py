"""Each example does what its first line says, here with few steps."""

from __future__ import annotations

import importlib.util
import re
import runpy
import sys
import types
from pathlib import Path

import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

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


def test_deepinv_physics(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """With deepinv itself where it is installed, else with what of its interface is used."""
    if importlib.util.find_spec("deepinv") is None:
        monkeypatch.setitem(sys.modules, "deepinv", stand_in_for_deepinv())
    run("deepinv_physics.py", "--prior", "tv", "--steps", 120, "--size", 48)
    assert size("deblurred.png") == (48, 48)
    restored, observed = map(float, re.findall(r"([\d.]+) dB", capsys.readouterr().out))
    assert restored > observed


def stand_in_for_deepinv() -> types.ModuleType:
    """Of `LinearPhysics`, as deepinv 0.5 documents it: A, a noise model, and a call for both."""

    class Blur(nn.Module):
        def __init__(self, filter: Tensor, padding: str) -> None:
            super().__init__()
            self.filter, self.padding, self.noise_model = filter, padding, ZeroNoise()

        def A(self, x: Tensor) -> Tensor:
            side = self.filter.shape[-1] // 2
            kernel = self.filter.expand(x.shape[1], 1, -1, -1)
            return F.conv2d(F.pad(x, (side,) * 4, mode=self.padding), kernel, groups=x.shape[1])

        def forward(self, x: Tensor) -> Tensor:
            return self.noise_model(self.A(x))

    class ZeroNoise(nn.Module):
        def forward(self, y: Tensor) -> Tensor:
            return y

    class GaussianNoise(nn.Module):
        def __init__(self, sigma: float) -> None:
            super().__init__()
            self.sigma = sigma

        def forward(self, y: Tensor) -> Tensor:
            return y + self.sigma * torch.randn_like(y)

    made = types.ModuleType("deepinv")
    made.physics = types.SimpleNamespace(Blur=Blur, ZeroNoise=ZeroNoise, GaussianNoise=GaussianNoise)  # type: ignore[attr-defined]
    return made
