"""What a JPEG file holds of a picture: quantised coefficients, and how coarsely each was quantised."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image
from torch import Tensor
from torch.nn import functional as F

from invert import pictures
from invert.errors import RequestError, one_line
from invert.files import read_regular

SIDE = 8
"""Of a block."""
LEVEL = 128 * SIDE
"""By how much the first coefficient of a block of zeros lies below 0: planes are centred before."""


@dataclass(frozen=True)
class Plane:
    """Of one component: its `table` `(8, 8)` and, for `shrink` (rows, columns) pixels one sample."""

    table: Tensor
    shrink: tuple[int, int]


@dataclass(frozen=True)
class JpegFile:
    """`size` (height, width) of the picture, its planes, and the `levels` `(rows, columns, 8, 8)` of each:
    whole numbers, how many steps of the table a coefficient of a block is."""

    size: tuple[int, int]
    planes: tuple[Plane, ...]
    levels: tuple[Tensor, ...]


def read(file: str) -> JpegFile:
    """Raises `RequestError` for what is no JPEG of one component or three, or is damaged."""
    return parse(read_regular(file, pictures.BYTE_LIMIT), file)


def parse(content: bytes, file: str) -> JpegFile:
    with _opened(content, file) as picture:
        count = len(picture.layer)  # type: ignore[attr-defined]
        if count not in (1, 3):
            raise RequestError(f"{file}: a JPEG of {count} components; grey and colour are read")
        turned = picture.getexif().get(ExifTags.Base.Orientation, 1)
        if turned != 1:
            raise RequestError(
                f"{file} is stored turned (EXIF orientation {turned}): its blocks lie otherwise than its "
                "pixels; turn it first, without loss (jpegtran)"
            )
        planes = _planes(picture, file)
        size = picture.height, picture.width
        levels = _stored(content) if find_spec("jpeglib") else _quantised(picture, planes)
    return JpegFile(size, planes, levels)


def blocks(plane: Tensor) -> Tensor:
    """The orthonormal DCT of each block: `(B, h, w)` to `(B, h / 8, w / 8, 8, 8)`."""
    basis = _basis(plane)
    problems, height, width = plane.shape
    tiled = plane.reshape(problems, height // SIDE, SIDE, width // SIDE, SIDE)
    return torch.einsum("ui,bhiwj,vj->bhwuv", basis, tiled, basis)


def from_blocks(coefficients: Tensor) -> Tensor:
    """What `blocks` was made of."""
    basis = _basis(coefficients)
    plane = torch.einsum("ui,bhwuv,vj->bhiwj", basis, coefficients, basis)
    problems, rows, _, columns, _ = plane.shape
    return plane.reshape(problems, rows * SIDE, columns * SIDE)


def shrunk(plane: Tensor, shrink: tuple[int, int], most: tuple[int, int]) -> Tensor:
    """A plane `(B, H, W)` of the picture's size at its own: means of `shrink` pixels, continued at the
    edge by its last ones to whole blocks; `most` is the `shrink` of the coarsest plane."""
    unit = [SIDE * by for by in most]
    below, beside = (-side % by for side, by in zip(plane.shape[1:], unit, strict=True))
    padded = F.pad(plane[:, None], (0, beside, 0, below), mode="replicate")
    small: Tensor = F.avg_pool2d(padded, shrink)
    return small[:, 0]


def _basis(like: Tensor) -> Tensor:
    """`(8, 8)`, a row a frequency."""
    frequency = torch.arange(SIDE, device=like.device)[:, None]
    place = torch.arange(SIDE, device=like.device)
    basis = torch.cos(torch.pi / SIDE * (place + 0.5) * frequency) * (2 / SIDE) ** 0.5
    basis[0] /= 2**0.5
    same: Tensor = basis.to(like)
    return same


@contextmanager
def _opened(content: bytes, file: str) -> Iterator[Image.Image]:
    try:
        with Image.open(io.BytesIO(content), formats=["JPEG", "MPO"]) as picture:
            pictures.check_size(picture, pictures.PIXEL_LIMIT)
            yield picture
    except RequestError:
        raise
    except Exception as error:
        raise RequestError(f"{file}: no JPEG that can be read ({one_line(error)})") from error


def _planes(picture: Image.Image, file: str) -> tuple[Plane, ...]:
    layers = picture.layer  # type: ignore[attr-defined]
    tables = picture.quantization  # type: ignore[attr-defined]
    most = max(layer[2] for layer in layers), max(layer[1] for layer in layers)
    planes = []
    for _, across, down, number in layers:
        if most[0] % down or most[1] % across:
            raise RequestError(f"{file}: planes at {across}:{most[1]} of its size are not read")
        table = torch.tensor(tables[number], dtype=torch.float64).view(SIDE, SIDE)
        planes.append(Plane(table, (most[0] // down, most[1] // across)))
    return tuple(planes)


def _stored(content: bytes) -> tuple[Tensor, ...]:
    """The levels as they are in the file."""
    import jpeglib  # type: ignore[import-untyped]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.jpg"
        path.write_bytes(content)
        stored = jpeglib.read_dct(str(path))
        arrays = [stored.Y] if stored.Cb is None else [stored.Y, stored.Cb, stored.Cr]
        return tuple(torch.from_numpy(np.array(array, dtype=np.float64)) for array in arrays)


def _quantised(picture: Image.Image, planes: Sequence[Plane]) -> tuple[Tensor, ...]:
    """The levels by what the decoded picture comes to: where nothing was clipped, nearly always the same."""
    picture.draft("L" if len(planes) == 1 else "YCbCr", picture.size)
    decoded = np.array(picture, dtype=np.float64).reshape(picture.height, picture.width, -1)
    most = max(p.shrink[0] for p in planes), max(p.shrink[1] for p in planes)
    levels = []
    for plane, values in zip(planes, torch.from_numpy(decoded).unbind(2), strict=True):
        samples = shrunk(values[None] - 128, plane.shrink, most)
        levels.append((blocks(samples)[0] / plane.table).round())
    return tuple(levels)
