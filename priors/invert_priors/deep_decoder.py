"""`deep-decoder`: a generator with fewer numbers than the picture has pixels.

Heckel, Hand: "Deep Decoder: Concise Image Representations from Untrained Non-convolutional
Networks", ICLR 2019; sizes and order of the layers as in the authors' code
(reinhardh/supplement_deep_decoder).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from invert.protocols import Canvas, Prior, Rngs, Shape
from invert_priors.generator import NATURAL_COLOURS

SCALES = 5
"""Doublings from the input to the picture; fewer where they would leave it less than `COARSEST` pixels."""

COARSEST = 4


@dataclass(frozen=True, kw_only=True)
class DeepDecoder(Prior):
    """Images that channels mixed pixel by pixel, and enlarged in between, can draw.

    `SCALES` + 1 times a 1 × 1 convolution, ReLU and a batch norm, all but one of them with an
    enlargement by two before the ReLU; then three channels, and a sigmoid. No pixel looks at its
    neighbours: only the enlargement makes a picture smooth. Because it has so few numbers
    (6,624 at a `width` of 32; 100,224 at 128; 397,056 at 256) it can hold little noise.
    """

    name: ClassVar[str] = "deep-decoder"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {"steps": 1900, "warmup": 0.0, "decay": 1.0},
        "restoration": {"steps": 1900, "warmup": 0.0, "decay": 0.1, "keep": "smoothed"},
        "maximisation": {"steps": 400, "learning_rate": 5e-3, "colours": "decorrelated"},
    }

    steps: int = 500
    learning_rate: float = 0.01
    warmup: float = 0.1
    decay: float = 0.1

    width: int = 128
    """Channels of every layer."""
    input_scale: float = 0.1
    """The fixed input is uniform noise in [0, input_scale]."""
    input_noise: float = 0.0
    """Standard deviation of the Gaussian noise added to the input anew at each step."""
    flat_layer: str = "last"
    """Which layer enlarges nothing: last, as published for its denoising, or first, where it is cheapest."""
    colours: str = "rgb"
    """rgb, or decorrelated: it draws luminance and two colours, which vary less, as in photos."""

    def __post_init__(self) -> None:
        if self.width < 1:
            raise ValueError(f"width must be at least 1, not {self.width}")
        if not self.input_scale > 0:
            raise ValueError(f"input_scale must be above 0, not {self.input_scale}")
        if not self.input_noise >= 0:
            raise ValueError(f"input_noise must be at least 0, not {self.input_noise}")
        if self.flat_layer not in ("first", "last"):
            raise ValueError(f"flat_layer must be first or last, not {self.flat_layer!r}")
        if self.colours not in ("rgb", "decorrelated"):
            raise ValueError(f"colours must be rgb or decorrelated, not {self.colours!r}")

    def start(self, shape: Shape, rngs: Rngs) -> Canvas:
        return Decoded(self, shape, rngs)


class Decoded(Canvas):
    """B decoders side by side: parameters have a problem a row."""

    z: Tensor
    mixing: Tensor | None

    def __init__(self, prior: DeepDecoder, shape: Shape, rngs: Rngs) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        side = min(self.height, self.width)
        scales = max((n for n in range(1, SCALES + 1) if -(-side // 2**n) >= COARSEST), default=1)
        flat = scales if prior.flat_layer == "last" else 0
        self.enlarges = [layer != flat for layer in range(scales + 1)]
        self.noise, k = prior.input_noise, prior.width
        kernels: list[list[Tensor]] = []
        inputs = []
        size = [-(-side // 2**scales) for side in (self.height, self.width)]
        for rng in rngs:
            bound = 1 / math.sqrt(k)  # PyTorch's default for a 1 × 1 convolution
            kernels.append(
                [
                    torch.empty(outputs, k).uniform_(-bound, bound, generator=rng)
                    for outputs in [k] * (scales + 1) + [channels]
                ]
            )
            inputs.append(prior.input_scale * torch.rand(k, *size, generator=rng))
        self.kernels = nn.ParameterList(torch.stack(layer) for layer in zip(*kernels, strict=True))
        self.gains = nn.ParameterList(torch.ones(len(inputs), k) for _ in range(scales + 1))
        self.shifts = nn.ParameterList(torch.zeros(len(inputs), k) for _ in range(scales + 1))
        self.register_buffer("z", torch.stack(inputs), persistent=False)
        decorrelated = prior.colours == "decorrelated" and channels == 3
        mixing = torch.tensor(NATURAL_COLOURS) if decorrelated else None
        self.register_buffer("mixing", mixing, persistent=False)

    @property
    def draws(self) -> bool:
        return self.noise > 0

    def forward(self, rngs: Rngs | None = None) -> Tensor:
        x = self.z if rngs is None or not self.draws else self.noisy(rngs)
        layers = zip(self.enlarges, self.kernels, self.gains, self.shifts, strict=False)
        for enlarges, kernel, gain, shift in layers:
            x = mix(kernel, x)
            if enlarges:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = normalise(x.relu(), gain, shift)
        x = mix(self.kernels[-1], x).float()
        if self.mixing is not None:
            x = (self.mixing[:, :, None, None] * x[:, None]).sum(2)
        return x[:, :, : self.height, : self.width].sigmoid()

    def noisy(self, rngs: Rngs) -> Tensor:
        like = self.z[0]
        drawn = [torch.randn(like.shape, generator=rng, device=like.device) for rng in rngs]
        return self.z + self.noise * torch.stack(drawn)


def mix(kernels: Tensor, x: Tensor) -> Tensor:
    """A 1 × 1 convolution of each problem's own: `(B, O, I)` and `(B, I, H, W)` to `(B, O, H, W)`."""
    mixed: Tensor = kernels @ x.flatten(2)
    return mixed.view(*mixed.shape[:2], *x.shape[-2:])


def normalise(x: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    """Batch norm over the one picture of each problem: x `(B, C, H, W)`, gain and shift `(B, C)`."""
    together = F.batch_norm(x.flatten(0, 1)[None], None, None, gain.flatten(), shift.flatten(), training=True)
    return together.view_as(x)
