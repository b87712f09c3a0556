"""A physics of deepinv as an operator: take the blur off a photo, without training.

pip install deepinv
python deepinv_physics.py --photo cat.jpg --prior dip
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import deepinv  # type: ignore[import-not-found, unused-ignore]
import torch
from torch import Tensor

import invert
from invert import Observer, Operator
from invert.images import save_png, to_tensor
from invert.photos import default_photo
from invert.protocols import Shape


@dataclass(frozen=True, kw_only=True)
class Physics(Operator):
    """What a `deepinv.physics.LinearPhysics` shows of a picture. For the library: it is no JSON."""

    name: ClassVar[str] = "physics"

    physics: Any = None

    def start(self, shape: Shape, rng: torch.Generator) -> Measured:
        return Measured(self.physics)


class Measured(Observer):
    """`(B, C, H, W)` to what the physics measures of it."""

    def __init__(self, physics: Any) -> None:
        super().__init__()
        self.physics = physics

    def forward(self, image: Tensor) -> Tensor:
        measured: Tensor = self.physics.A(image)
        return measured

    def observe(self, picture: Tensor) -> Tensor:
        """With the noise of the physics' own model, which draws from torch's generator."""
        measured: Tensor = self.physics(picture)
        return measured

    def consistent(self, image: Tensor, observed: Tensor) -> Tensor:
        """One step of the pseudo-inverse, where there is no noise."""
        if self.physics.noise_model is not None and not isinstance(
            self.physics.noise_model, deepinv.physics.ZeroNoise
        ):
            return image
        nearer: Tensor = image + self.physics.A_dagger(observed - self(image))
        return nearer

    def seen(self, observed: Tensor) -> Tensor:
        adjoint: Tensor = self.physics.A_adjoint(observed)
        return adjoint.clamp(0, 1)


def gaussian(sigma: float) -> Tensor:
    """A kernel `(1, 1, k, k)` of sum 1."""
    line = torch.exp(-(torch.arange(-6.0, 7.0) ** 2) / (2 * sigma**2))
    return (torch.outer(line, line) / line.sum() ** 2)[None, None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photo", type=Path, default=default_photo())
    parser.add_argument("--prior", default="dip")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--out", type=Path, default=Path("deblurred.png"))
    options = parser.parse_args()

    photo = to_tensor(options.photo, (3, options.size, options.size))
    physics = deepinv.physics.Blur(filter=gaussian(sigma=1.5), padding="reflect")
    physics.noise_model = deepinv.physics.GaussianNoise(sigma=0.01)

    torch.manual_seed(0)  # which the noise is drawn from
    observation = invert.Observation(Physics(physics=physics), photo).bind(None)
    result = invert.restore(observation, options.prior, steps=options.steps)
    save_png(result.image, options.out)
    assert observation.target is not None
    blurred = -10 * torch.log10((observation.target - photo).square().mean())
    print(f"{options.out}: PSNR {result.measures['psnr']:.2f} dB, of what was observed {blurred:.2f} dB")


if __name__ == "__main__":
    main()
