"""Small networks, each with one habit that makes looking inside hard."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import invert.subjects as subjects
from invert.subjects import Subject


class Reuser(nn.Module):
    """Calls one in-place ReLU twice, in a forward that is a function and no Sequential."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.unused = nn.Conv2d(3, 3, 1)
        self.head = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.relu(self.conv1(x))
        x = self.relu(self.conv2(x))
        return self.head(x.mean((2, 3)))


class Halves(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x[:, :1], x[:, 1:]


class Named(nn.Module):
    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"count": torch.tensor([3]), "left": x[..., :4], "right": x[..., 4:]}


class Packer(nn.Module):
    """Has modules that return a tuple and a dict, and returns a tuple itself."""

    def __init__(self) -> None:
        super().__init__()
        self.halves = Halves()
        self.named = Named()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        _, rest = self.halves(x)
        sides = self.named(rest)
        return sides["left"].mean((2, 3)), sides["right"]


def _wrapped(module: nn.Module, side: int = 8) -> Subject:
    return subjects.wrap(module, size=side, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))


@pytest.fixture
def reuser() -> Subject:
    torch.manual_seed(0)
    return _wrapped(Reuser())


@pytest.fixture
def packer() -> Subject:
    return _wrapped(Packer())


@pytest.fixture(scope="session")
def alexnet() -> Subject:
    return subjects.load("alexnet", weights="random")


@pytest.fixture(scope="session")
def resnet() -> Subject:
    return subjects.load("resnet18", weights="random", size=64)


@pytest.fixture(scope="session")
def vit() -> Subject:
    return subjects.load("timm:vit_tiny_patch16_224", weights="random")


@pytest.fixture
def squeezenet(shared: Path) -> Subject:
    return subjects.load("squeezenet1_1", weights=shared / "weights" / "squeezenet1_1.safetensors")


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
