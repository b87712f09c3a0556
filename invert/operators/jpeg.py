"""A picture was stored as a JPEG: of each coefficient of its blocks an interval is known."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from invert import images
from invert.errors import RequestError
from invert.operators import jpeg_file
from invert.operators.jpeg_file import LEVEL, SIDE, JpegFile, Plane
from invert.operators.sliding_cosines import sliding_cosines
from invert.protocols import Observer, Operator, Shape

YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""Luminance, blue and red difference of red, green and blue (JFIF)."""
ROUNDS = 100
"""Of `consistent`, at most: after colours out of range were cut off, and of blocks that the edge cuts,
some coefficients are out of theirs again."""
STRENGTH = 1.5
"""Of that noise, for `sliding_cosines`: times what rounding to the step of the lowest frequency comes to."""
MARGIN = 1.0
"""How far within its interval a coefficient is put, in levels of 255: a file of 8 bits rounds it."""


@dataclass(frozen=True, kw_only=True)
class Jpeg(Operator):
    """The picture as a JPEG holds it: colours by JFIF, differences of colours at part of the size, blocks
    of 8 × 8 in cosines, each coefficient rounded to a multiple of the file's own step.

    What is observed are those multiples, and a picture whose coefficients round to them agrees with all
    that is known: the error counts only what lies outside. `file` is the JPEG; without one it is what
    Pillow makes of the photo at `quality`. With the package jpeglib the multiples are read from the file;
    without, they come from the decoded picture, and some are wrong where colours were cut off.
    """

    name: ClassVar[str] = "jpeg"
    preset: ClassVar[str] = "restoration-jpeg"

    quality: int = 10
    """Pillow's, 1 to 95, where there is no file."""
    file: str = ""
    cosines: float = 0.0
    """How much of a result is what sliding cosines make of the decoded picture, as for `identity`."""

    def __post_init__(self) -> None:
        if not 0 <= self.cosines <= 1:
            raise ValueError(f"cosines is {self.cosines}: it must lie between 0 and 1")
        if not 1 <= self.quality <= 95:
            raise ValueError(f"quality is {self.quality}: it must be a whole number from 1 to 95")

    def start(self, shape: Shape, rng: torch.Generator) -> Stored:
        if not self.file:
            return Stored(
                _encoded(torch.zeros(1, *shape), self.quality), shape[0], self.quality, self.cosines
            )
        stored = jpeg_file.read(self.file)
        if stored.size != shape[1:] or len(stored.planes) > shape[0]:
            raise RequestError(
                f"{self.file} is {stored.size[1]} × {stored.size[0]} of {len(stored.planes)} components, "
                f"the picture {shape[2]} × {shape[1]} of {shape[0]}"
            )
        return Stored(stored, shape[0], None, self.cosines)


class Stored(Observer):
    """`(B, C, H, W)` to the coefficients `(B, N)` of its blocks, in image units, one plane after the other.

    `step` `(N,)` are the file's steps, `observed` `(1, N)` what it holds. Of a picture in colour a grey
    file holds the luminance.
    """

    step: Tensor
    observed: Tensor
    ycc: Tensor

    def __init__(self, stored: JpegFile, channels: int, quality: int | None, cosines: float) -> None:
        super().__init__()
        self.cosines = cosines
        self._cleaned: tuple[Tensor, Tensor] | None = None
        self.size, self.planes, self.channels, self.quality = stored.size, stored.planes, channels, quality
        self.counts = [tuple(levels.shape[:2]) for levels in stored.levels]
        self.most = tuple(max(plane.shrink[axis] for plane in stored.planes) for axis in (0, 1))
        steps = [
            p.table.expand(*count, SIDE, SIDE) for p, count in zip(self.planes, self.counts, strict=True)
        ]
        self.register_buffer("step", torch.cat([step.flatten() for step in steps]).float() / 255)
        self.register_buffer("observed", _in_image_units(stored))
        self.register_buffer("ycc", torch.tensor(YCC))

    def forward(self, image: Tensor) -> Tensor:
        planes = image if self.channels == 1 else torch.einsum("cd,bdhw->bchw", self.ycc, image)
        return torch.cat(
            [
                self._blocks(plane, values)[:, :rows, :columns].flatten(1)
                for plane, values, (rows, columns) in zip(
                    self.planes, planes.unbind(1), self.counts, strict=False
                )
            ],
            dim=1,
        )

    def fitted(self, image: Tensor, observed: Tensor) -> Tensor:
        """As `forward`, where a coefficient rounds to what was observed as observed: it agrees."""
        coefficients: Tensor = self(image)
        return observed + coefficients - self._within(coefficients, observed, 0.0)

    def observe(self, picture: Tensor) -> Tensor:
        assert self.quality is not None, "what a file holds was observed already"
        return _in_image_units(_encoded(picture.cpu(), self.quality)).to(picture.device)

    def measured(self, given: Tensor) -> Tensor:
        """What the file holds; of another picture, what it would be rounded to."""
        return self.observed if self.quality is None else self.observe(given)

    def joined(self, image: Tensor, observed: Tensor) -> Tensor:
        """A share of sliding cosines taken in, as if what was rounded away were noise."""
        if not self.cosines:
            return image
        return torch.lerp(image, self.another(observed).expand_as(image), self.cosines)

    def another(self, observed: Tensor) -> Tensor:
        """Sliding cosines, of the picture as it is decoded; computed once."""
        if self._cleaned is None or self._cleaned[0] is not observed:
            sigma = STRENGTH * float(self.step[1]) / 12**0.5
            self._cleaned = observed, sliding_cosines(self.seen(observed), sigma).clamp(0, 1)
        return self._cleaned[1]

    def consistent(self, image: Tensor, observed: Tensor) -> Tensor:
        """Every coefficient brought to the nearest that rounds to what was observed."""
        for _ in range(ROUNDS):
            coefficients: Tensor = self(image)
            if torch.equal(self._within(coefficients, observed, MARGIN / 2 / 255), coefficients):
                break
            outside = self._within(coefficients, observed, MARGIN / 255) - coefficients
            image = (image + self._picture(outside, mode="nearest")).clamp(0, 1)
        return image

    def seen(self, observed: Tensor) -> Tensor:
        """The picture as programs decode it."""
        return self._picture(observed, mode="bilinear").clamp(0, 1)

    def _within(self, coefficients: Tensor, observed: Tensor, margin: float) -> Tensor:
        reach = self.step / 2 - torch.clamp(self.step / 4, max=margin)
        return coefficients.clamp(observed - reach, observed + reach)

    def _blocks(self, plane: Plane, values: Tensor) -> Tensor:
        return jpeg_file.blocks(jpeg_file.shrunk(values, plane.shrink, (self.most[0], self.most[1])))

    def _picture(self, coefficients: Tensor, mode: str) -> Tensor:
        """Of coefficients `(B, N)`, as a difference or as a whole (the colours' centres are 0 in both)."""
        sizes = [rows * columns * SIDE * SIDE for rows, columns in self.counts]
        planes = []
        for plane, flat, (rows, columns) in zip(
            self.planes, torch.split(coefficients, sizes, dim=1), self.counts, strict=True
        ):
            values = jpeg_file.from_blocks(flat.view(-1, rows, columns, SIDE, SIDE))[:, None]
            height, width = (-(-side // by) for side, by in zip(self.size, plane.shrink, strict=True))
            values = values[:, :, :height, :width]
            if plane.shrink != (1, 1):
                larger = height * plane.shrink[0], width * plane.shrink[1]
                values = F.interpolate(values, larger, mode=mode)
            planes.append(values[:, :, : self.size[0], : self.size[1]])
        together = torch.cat(planes, dim=1)
        if len(planes) == 1:
            return together.expand(-1, self.channels, -1, -1)
        back = torch.linalg.inv(self.ycc.double()).to(together.dtype)
        return torch.einsum("cd,bdhw->bchw", back, together)


def _in_image_units(stored: JpegFile) -> Tensor:
    """`(1, N)`: coefficients of a picture in [0, 1]; luminance is from 0, differences about 0."""
    flat = []
    for number, (plane, levels) in enumerate(zip(stored.planes, stored.levels, strict=True)):
        coefficients = levels * plane.table
        if number == 0:
            coefficients[..., 0, 0] += LEVEL
        flat.append(coefficients.flatten())
    return torch.cat(flat)[None].float() / 255


def _encoded(picture: Tensor, quality: int) -> JpegFile:
    """What Pillow stores of a picture `(1, C, H, W)`."""
    from PIL import Image

    with Image.open(io.BytesIO(images.to_png(picture))) as image:
        content = io.BytesIO()
        image.save(content, "JPEG", quality=quality)
    return jpeg_file.parse(content.getvalue(), f"a JPEG of quality {quality}")


def levels(observer: Stored, image: Tensor) -> Sequence[Tensor]:
    """What the coefficients of `image` `(1, C, H, W)` round to, as whole steps, a plane each."""
    whole: Tensor = observer(image)[0] / observer.step
    centre = torch.zeros_like(whole)
    sizes = [rows * columns * SIDE * SIDE for rows, columns in observer.counts]
    centre[: sizes[0]].view(-1, SIDE * SIDE)[:, 0] = LEVEL / 255 / observer.step[0]
    return torch.split((whole - centre).round(), sizes)
