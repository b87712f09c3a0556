"""A picture in a file as it is: at its own size, depth and mode, and back to a file of the same kind.

What a network looks at is 8-bit sRGB on white (`pictures.read`). What is restored keeps its
transparency, and 16 bits where the file has them.
"""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from invert import images, pictures
from invert.colours import conversion
from invert.errors import RequestError
from invert.files import read_regular

GREY, COLOUR, ALPHA = 0, 2, 4
"""PNG's kinds of colour; with transparency, `ALPHA` more."""


@dataclass(frozen=True)
class Scan:
    """`pixels` `(1, C, H, W)` in [0, 1], C 1 for grey and 3 for colour; `alpha` `(1, 1, H, W)` where the
    file has transparency; `deep` where it has 16 bits."""

    pixels: Tensor
    alpha: Tensor | None = None
    deep: bool = False


def read(path: str | Path) -> Scan:
    """The picture in a file, upright, in sRGB. Raises `RequestError` as `pictures.opened` does."""
    with pictures.opened(path) as picture:
        if picture.format == "PNG" and "16" in _raw_mode(picture):
            return _deep_png(path)
        return _from_picture(picture)


def to_png(image: Tensor, alpha: Tensor | None = None, deep: bool = False) -> bytes:
    """`image` `(1, C, H, W)` in [0, 1], with `alpha` `(1, 1, H, W)`, as the bytes of a PNG, 8 or 16 bits."""
    if alpha is None and not deep:
        return images.to_png(image)
    planes = image if alpha is None else torch.cat([image, alpha.to(image)], dim=1)
    most = 65535 if deep else 255
    values = planes.detach().cpu().double().nan_to_num(0.0).clamp(0, 1)[0].movedim(0, -1)
    array = (values * most).round().numpy().astype(np.uint16 if deep else np.uint8)
    if deep:
        return _encoded(array)
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")  # (H, W, 2) is LA, (H, W, 4) RGBA
    return buffer.getvalue()


def _raw_mode(picture: Image.Image) -> str:
    """How a PNG's pixels lie in the file: RGB;16B for one whose 16 bits Pillow would narrow to 8."""
    tiles = getattr(picture, "tile", None)
    return str(tiles[0][3]) if tiles else ""


def _deep_png(path: str | Path) -> Scan:
    from torchvision.io import ImageReadMode, decode_png  # seconds to import, and Pillow reads all others

    content = np.frombuffer(read_regular(path, pictures.BYTE_LIMIT), dtype=np.uint8)
    try:
        planes = decode_png(torch.from_numpy(content.copy()), ImageReadMode.UNCHANGED)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise RequestError(f"image {str(path)!r}: damaged or truncated ({reason})") from None
    values = planes.float()[None] / torch.iinfo(planes.dtype).max
    colours = 1 if values.shape[1] < 3 else 3
    alpha = values[:, colours:] if values.shape[1] > colours else None
    return Scan(values[:, :colours], alpha, deep=True)


def _from_picture(picture: Image.Image) -> Scan:
    colours = conversion(picture)
    upright = pictures.upright(picture)
    if upright.mode.startswith(("I", "F")):
        return Scan(_grey(np.asarray(upright)), deep=True)
    grey = upright.mode in ("1", "L", "LA", "La")
    alpha = None
    if upright.has_transparency_data:
        upright = upright.convert("LA" if grey else "RGBA")
        alpha = _planes(upright.getchannel("A"))
    converted = colours(upright.convert(upright.mode.rstrip("A"))) if colours else upright
    return Scan(_planes(converted.convert("L" if grey else "RGB")), alpha)


def _planes(picture: Image.Image) -> Tensor:
    values = torch.from_numpy(np.array(picture)).float() / 255
    return (values[None] if values.ndim == 2 else values.movedim(-1, 0))[None]


def _grey(values: np.ndarray[Any, Any]) -> Tensor:
    """16-bit or float grey values `(H, W)`."""
    whole = 1.0 if values.dtype.kind == "f" else 65535.0
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > whole:
        raise RequestError(f"its grey values must lie in [0, {whole:.0f}]")
    return torch.from_numpy(values.astype(np.float64) / whole).float()[None, None]


def _encoded(array: np.ndarray[Any, Any]) -> bytes:
    """16-bit values `(H, W, C)` as a PNG, which Pillow writes of grey alone; each row as it differs from
    the one above (W3C, "Portable Network Graphics", 9.2: filter 2)."""
    height, width, channels = array.shape
    rows = array.astype(">u2").reshape(height, -1).view(np.uint8).reshape(height, -1)
    above = np.vstack([np.zeros_like(rows[:1]), rows[:-1]])
    filtered = np.hstack([np.full((height, 1), 2, np.uint8), rows - above])
    kind = (GREY if channels < 3 else COLOUR) + (ALPHA if channels in (2, 4) else 0)
    head = struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(filtered.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
