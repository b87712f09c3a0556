"""The deep image prior: images that a randomly initialised convolutional generator draws easily.

Ulyanov, Vedaldi, Lempitsky: "Deep Image Prior", CVPR 2018. The generator's fixed input is noise;
its weights are what is optimised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from invert import images
from invert.errors import RequestError
from invert.protocols import Canvas, Prior, Rngs, Shape
from invert_priors.fast_generator import FastGenerator
from invert_priors.generator import Architecture, Generator, Layer, drawn_size
from invert_priors.tv import TYPICAL_GRADIENT, total_variation

BOTTLENECK = 4
"""The coarsest map of a generator is at least this many pixels high and wide."""

LARGEST_KERNEL = 7
"""Reflection pads by half a kernel, which must stay below `BOTTLENECK`."""

MAXIMISATION = {
    "skip_channels": (0, 4, 4, 4, 4, 4),
    "kernels_down": (5, 3, 5, 5, 3, 5),
    "kernels_up": (5, 3, 5, 3, 5, 3),
    "upsampling": "bilinear",
    "padding": "reflection",
}
"""The generator of the published activation maximisation."""

RESTORATION = {
    "steps": 1000,
    "keep": "smoothed",
    "warmup": 0.0,
    "decay": 1.0,
    "kernel_rate": 0.03,
    "input_noise": 1 / 30,
}
"""Restoration, whatever the operator: held kernels, at a third of the usual rate, under noise.

How they were chosen, for which task, and what else was tried: docs/restoration.md.
"""
WITHOUT_NOISE = {**RESTORATION, "decay": 0.1}
"""Where what is known is exact, nothing ends a run before its steps, and so its rate can fall over them."""


@dataclass(frozen=True, kw_only=True)
class DeepImagePrior(Prior):
    """Images as the output of an encoder-decoder with skips; one generator a problem.

    The tuples have one entry a scale, finest first. A generator has as many scales as leave its
    coarsest map at least 4 pixels: 6 at 224 px (on a canvas of 256, whose corner is the image,
    as published), 5 at 128, 3 at 32; it takes the finest entries. At 224 px the default is the
    published feature-inversion generator, 2,606,763 parameters.

    In front of a batch norm only the direction of a kernel counts. Left alone, kernels grow, and so
    turn ever more slowly (Heo et al., "AdamP", ICLR 2021); here they are brought back to the size they
    were drawn with after each step, and move by a fraction of it, whatever their number of inputs.

    The presets `restoration-…` are one a task, none a picture; docs/restoration.md says how they were
    chosen, and what came of them.

    The preset `sgld` samples instead of settling (Cheng, Gadelha, Maji, Sheldon: "A Bayesian Perspective
    on the Deep Image Prior", CVPR 2019): noise on the kernels after each step, and as the picture the mean
    of the steps of the second half, the first being the burn-in.
    """

    name: ClassVar[str] = "dip"
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "paper": {"steps": 3100, "learning_rate": 1e-3, "warmup": 0.0, "decay": 1.0, "kernel_rate": 0.0},
        "restoration": RESTORATION,
        "restoration-denoise": RESTORATION,
        "restoration-inpaint": {**RESTORATION, "steps": 3000},
        "restoration-upscale": {**WITHOUT_NOISE, "steps": 120},
        "restoration-jpeg": {**WITHOUT_NOISE, "steps": 250},
        "restoration-flash": {**WITHOUT_NOISE, "steps": 250, "input_noise": 0.0},
        "sgld": {
            "steps": 5000,
            "learning_rate": 1e-2,
            "warmup": 0.0,
            "decay": 1.0,
            "keep": "mean",
            "kernel_rate": 0.0,
            "input_noise": 1 / 30,
            "weight_noise": 2.0,
            "channels": (16, 32, 64, 128, 128),
            "skip_channels": (4, 4, 4, 4, 4),
            "kernels_down": (3, 3, 3, 3, 3),
            "kernels_up": (3, 3, 3, 3, 3),
            "upsampling": "bilinear",
            "padding": "reflection",
        },
        "maximisation": {
            **MAXIMISATION,
            "steps": 400,
            "learning_rate": 5e-3,
            "kernel_rate": 0.0,
            "colours": "decorrelated",
        },
        "maximisation-paper": {
            **MAXIMISATION,
            "steps": 3100,
            "learning_rate": 1e-2,
            "warmup": 0.0,
            "decay": 1.0,
            "kernel_rate": 0.0,
            "input_noise": 0.03,
        },
    }

    steps: int = 500
    learning_rate: float = 0.01
    warmup: float = 0.1
    decay: float = 0.1

    kernel_rate: float = 0.1
    """Adam's peak rate for kernels, as a fraction of their size, which is held; 0: as all else, not held."""

    input_channels: int = 32
    """Channels of the generator's fixed input."""
    input_scale: float = 0.1
    """The fixed input is uniform noise in [0, input_scale]."""
    input_file: str = ""
    """A picture of the size of the one that is drawn, which is the input in place of noise (scaled to
    [0, 1] and mirrored at its edges; `input_channels` and `input_scale` do not count then)."""
    input_noise: float = 0.0
    """Standard deviation of the Gaussian noise added to the input anew at each step."""
    weight_noise: float = 0.0
    """Standard deviation of the noise that each step leaves on the kernels, in learning rates (SGLD: 2)."""
    tv_weight: float = 0.0
    """What a photo's worth of variation costs, as the `weight` of tv with β = 2."""
    channels: tuple[int, ...] = (16, 32, 64, 128, 128, 128)
    """Channels at each scale, encoder and decoder alike."""
    skip_channels: tuple[int, ...] = (4, 4, 4, 4, 4, 4)
    """Channels of each scale's skip connection; 0 for none."""
    kernels_down: tuple[int, ...] = (7, 7, 5, 5, 3, 3)
    """Kernel sizes of the encoder (odd)."""
    kernels_up: tuple[int, ...] = (7, 7, 5, 5, 3, 3)
    """Kernel sizes of the decoder (odd)."""
    upsampling: str = "nearest"
    """nearest or bilinear."""
    padding: str = "zero"
    """zero or reflection."""
    colours: str = "rgb"
    """rgb, or decorrelated: the generator draws luminance and two colours, which vary less, as in photos."""
    fast: bool = True
    """Compute the generator by the faster form of the same function."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if isinstance(value := getattr(self, field.name), list):  # settings read back from JSON
                object.__setattr__(self, field.name, tuple(value))
        if self.input_channels < 1:
            raise ValueError(f"input_channels must be at least 1, not {self.input_channels}")
        if not self.input_scale > 0:
            raise ValueError(f"input_scale must be above 0, not {self.input_scale}")
        if not self.kernel_rate >= 0:
            raise ValueError(f"kernel_rate must be at least 0, not {self.kernel_rate}")
        for setting in ("input_noise", "weight_noise", "tv_weight"):
            if not getattr(self, setting) >= 0:
                raise ValueError(f"{setting} must be at least 0, not {getattr(self, setting)}")
        self._check_scales("channels", "at least 1", lambda n: n >= 1)
        self._check_scales("skip_channels", "at least 0", lambda n: n >= 0)
        for setting in ("kernels_down", "kernels_up"):
            odd = f"odd, from 1 to {LARGEST_KERNEL}"
            self._check_scales(setting, odd, lambda k: k % 2 == 1 and 1 <= k <= LARGEST_KERNEL)
        if self.upsampling not in ("nearest", "bilinear"):
            raise ValueError(f"upsampling must be nearest or bilinear, not {self.upsampling!r}")
        if self.colours not in ("rgb", "decorrelated"):
            raise ValueError(f"colours must be rgb or decorrelated, not {self.colours!r}")
        if self.padding not in ("zero", "reflection"):
            raise ValueError(f"padding must be zero or reflection, not {self.padding!r}")

    def _check_scales(self, setting: str, accepted: str, accepts: Callable[[int], bool]) -> None:
        values = getattr(self, setting)
        if not values or not all(map(accepts, values)):
            raise ValueError(f"{setting} must be one number a scale, each {accepted}, not {values}")
        if len(values) != (scales := len(self.channels)):
            raise ValueError(f"{setting} must have {scales} entries, as channels has, not {len(values)}")

    def scales(self, height: int, width: int) -> int:
        """How many scales an image gets: all that leave the coarsest map `BOTTLENECK` pixels; at least 1."""
        side = min(height, width)
        fits = [n for n in range(1, len(self.channels) + 1) if -(-side // 2**n) >= BOTTLENECK]
        return max(fits, default=1)

    def start(self, shape: Shape, rngs: Rngs) -> Canvas:
        return Generated(self, shape, rngs)

    def architecture(self, scales: int, outputs: int, inputs: int | None = None) -> Architecture:
        return Architecture(
            inputs=inputs or self.input_channels,
            outputs=outputs,
            channels=self.channels[:scales],
            skip_channels=self.skip_channels[:scales],
            kernels_down=self.kernels_down[:scales],
            kernels_up=self.kernels_up[:scales],
            upsampling=cast(Any, self.upsampling),
            padding=cast(Any, self.padding),
            colours=cast(Any, self.colours),
        )


class Generated(Canvas):
    """B generators, each with its own fixed input `z` `(1, inputs, H', W')`."""

    z: Tensor

    def __init__(self, prior: DeepImagePrior, shape: Shape, rngs: Rngs) -> None:
        super().__init__()
        channels, self.height, self.width = shape
        scales = prior.scales(self.height, self.width)
        step = 2**scales
        size = [max(-(-side // step), BOTTLENECK) * step for side in (self.height, self.width)]
        given = self._given(prior.input_file, size) if prior.input_file else None
        inputs_of_it = prior.input_channels if given is None else given.shape[1]
        architecture = prior.architecture(scales, channels, inputs_of_it)
        network = FastGenerator if prior.fast else Generator
        self.noise, self.fast = prior.input_noise, prior.fast
        self.weight_noise, self.tv_weight = prior.weight_noise, prior.tv_weight
        self.kernel_factor = prior.kernel_rate / prior.learning_rate
        self.networks = nn.ModuleList()
        inputs = []
        for rng in rngs:
            self.networks.append(network(architecture, rng))
            drawn = prior.input_scale * torch.rand(1, prior.input_channels, *size, generator=rng)
            inputs.append(drawn if given is None else given)
            if not self.draws:  # a number that noise would take: what is drawn next is the same without
                torch.randint(2**62, (), generator=rng)
        self.register_buffer("z", torch.cat(inputs), persistent=False)
        self._noisy: Tensor | None = None
        self._input: Tensor | None = None
        self._made: object = None

    def _given(self, file: str, size: Sequence[int]) -> Tensor:
        """The picture in a file as an input of `size`, mirrored at its edges."""
        picture = images.to_float(file)
        if picture.shape[2:] != (self.height, self.width):
            raise RequestError(
                f"{file} is {picture.shape[3]} × {picture.shape[2]}, and what is drawn {self.width} × "
                f"{self.height}: the input is as large"
            )
        rows, columns = (_mirrored(*sides) for sides in zip(picture.shape[2:], size, strict=True))
        return picture[:, :, rows][..., columns]

    @property
    def draws(self) -> bool:
        return self.noise > 0 or self.weight_noise > 0

    def penalty(self, image: Tensor) -> Tensor:
        if not self.tv_weight:
            return super().penalty(image)
        return self.tv_weight / TYPICAL_GRADIENT**2 * total_variation(image, 2, 0)

    def kernels(self) -> list[Tensor]:
        """Those in front of a batch norm, where they are held at their size."""
        if not self.kernel_factor:
            return []
        return [module.conv.weight for module in self.networks.modules() if isinstance(module, Layer)]

    def rates(self) -> Mapping[Tensor, float]:
        return {kernel: self.kernel_factor * drawn_size(kernel) for kernel in self.kernels()}

    def after_step(self, rate: Tensor, rngs: Rngs | None) -> None:
        for kernel in self.kernels():
            kernel.mul_(drawn_size(kernel) * kernel.numel() ** 0.5 / kernel.norm())
        if self.weight_noise and rngs is not None:
            for network, rng in zip(self.networks, rngs, strict=True):
                for weight in (p for p in network.parameters() if p.ndim == 4):
                    noise = torch.empty_like(weight).normal_(generator=rng)
                    weight.add_(self.weight_noise * rate * noise)

    def forward(self, rngs: Rngs | None = None) -> Tensor:
        inputs = torch.split(self.inputs(rngs if self.noise else None), 1)
        images = torch.cat([network(z) for network, z in zip(self.networks, inputs, strict=True)])
        return images[:, :, : self.height, : self.width]

    @torch.inference_mode(False)  # they will take part in gradients, whoever asked first
    def inputs(self, rngs: Rngs | None) -> Tensor:
        """`z`, with fresh noise from `rngs`, as convolutions read it: channels last, and in bf16.

        In memory of its own, and made once where nothing changes: making it anew takes as long as
        the convolution that reads it.
        """
        if not self.fast:
            return self.z if rngs is None else self.noisy(rngs)
        half = torch.is_autocast_enabled(self.z.device.type)
        dtype = torch.get_autocast_dtype(self.z.device.type) if half else self.z.dtype
        made = None if rngs is not None else (dtype, self.z.device, self.z._version)
        if made is None or made != self._made:
            if self._input is None or (self._input.dtype, self._input.device) != (dtype, self.z.device):
                self._input = torch.empty_like(self.z, dtype=dtype, memory_format=torch.channels_last)
            self._input.copy_(self.z if rngs is None else self.noisy(rngs))
            self._made = made
        assert self._input is not None
        return self._input

    def noisy(self, rngs: Rngs) -> Tensor:
        if self._noisy is None or self._noisy.device != self.z.device:
            self._noisy = torch.empty_like(self.z)
        for noisy, rng in zip(self._noisy, rngs, strict=True):
            noisy.normal_(generator=rng)
        return torch.add(self.z, self._noisy, alpha=self.noise, out=self._noisy)


def _mirrored(side: int, longer: int) -> Tensor:
    """Of `longer` samples, which of `side` each is, to and fro."""
    place = torch.arange(longer) % (2 * side)
    return torch.where(place < side, place, 2 * side - 1 - place)
