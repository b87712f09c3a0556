"""Pictures in files: opened as one of the raster formats named here, or refused in one line.

Pictures are untrusted input. A file is identified by its content, only by the formats that the
place expects (Pillow's EPS reader, for one, runs a program), and its size is checked before a
pixel is decoded. Every place that opens a picture does so through `opened`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from invert.colours import Conversion, conversion
from invert.errors import RequestError
from invert.files import open_regular, read_regular

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "TGA")
"""Pillow's names of the file formats that photos are read from: those whose header tells the size."""

OWN = ("PNG",)
"""The format that this tool writes."""

PIXEL_LIMIT = 2**26
"""Photos with more pixels are refused undecoded: 8192 × 8192, more than all but the largest cameras take."""

OWN_LIMIT = 2**24
"""The same for pictures that this tool wrote: none is larger than a network's input, 4096 × 4096 at most."""

HUNGRY = ("WEBP", "AVIF", "JPEG2000")
"""Formats whose decoders hold a picture several times over: half as many pixels are read."""

MOST_A_PIXEL = 8
"""Bytes: four channels of 16 bits, not compressed."""

BYTE_LIMIT = 2**29
"""Files of more bytes than this are no photos of `PIXEL_LIMIT` pixels: 16 bits of RGB take 400 MB."""


@contextmanager
def opened(
    path: str | Path, formats: Sequence[str] = FORMATS, most: int = PIXEL_LIMIT
) -> Iterator[Image.Image]:
    """The picture in a file: its header is read and its size checked, and no pixel is decoded yet.

    Raises `RequestError` where `path` is no regular file, is none of `formats` (Pillow's names), or
    has over `most` pixels; so does what goes wrong within, as decoding a damaged file.
    """
    Image.init()
    known = [name for name in formats if name in Image.OPEN]  # AVIF depends on Pillow's build
    try:
        with warnings.catch_warnings():
            # Pillow warns of bombs and odd metadata; both are dealt with here.
            warnings.simplefilter("ignore")
            with open_regular(path, BYTE_LIMIT) as file, Image.open(file, formats=known) as picture:
                check_size(picture, most)
                yield picture
        return
    except RequestError as error:
        reason = str(error)
    except UnidentifiedImageError:
        reason = f"not a picture that can be read ({', '.join(known)})"
    except Image.DecompressionBombError:
        reason = f"over {most:,} pixels; make it smaller"
    except Exception as error:  # readers of damaged headers, and decoders, raise whatever they stumble over
        unread = isinstance(error, OSError) and error.strerror
        reason = str(unread) if unread else f"damaged or truncated ({_one_line(error)})"
    raise RequestError(f"image {str(path)!r}: {reason}")


def check_size(picture: Image.Image, most: int = PIXEL_LIMIT) -> None:
    """Raise `RequestError` where `picture` has over `most` pixels, or none."""
    width, height = picture.size
    if picture.format in HUNGRY:
        most //= 2
    if width * height > most:
        raise RequestError(f"{width:,} × {height:,} is over {most:,} pixels; make it smaller")
    if width * height == 0:
        raise RequestError("it has no pixels")


def read(path: str | Path, formats: Sequence[str] = FORMATS, most: int = PIXEL_LIMIT) -> Image.Image:
    """The photo in a file: upright, 8-bit sRGB, transparency on white, the first frame of an animation.

    Raises `RequestError` as `opened` does.
    """
    with opened(path, formats, most) as picture:
        colours = conversion(picture)
        return to_rgb(upright(picture), colours)


def read_own(path: str | Path) -> Image.Image:
    """A picture that this tool wrote: PNG, in the mode it has. Raises `RequestError` as `opened` does."""
    with opened(path, OWN, OWN_LIMIT) as picture:
        picture.load()
        return picture.copy()


def upright(picture: Image.Image) -> Image.Image:
    """`picture` as the camera was held (EXIF); itself where it is so already."""
    if picture.getexif().get(ExifTags.Base.Orientation, 1) == 1:
        picture.load()
        return picture
    return ImageOps.exif_transpose(picture)


def own_bytes(path: str | Path) -> bytes:
    """The file of a picture that this tool wrote, whole. Raises `RequestError` as `opened` does.

    So it does for a file of more bytes than its pixels can take: a page holds what it is given.
    """
    with opened(path, OWN, OWN_LIMIT) as picture:
        width, height = picture.size
        content = read_regular(path, MOST_A_PIXEL * width * height + 2**20)
        picture.verify()
    return content


def to_rgb(picture: Image.Image, colours: Conversion | None = None) -> Image.Image:
    """8-bit RGB of a PIL image of any mode: 16-bit and float scaled, transparency composited on white.

    `colours` takes it from the colours of its profile to sRGB (`invert.colours.conversion`).
    """
    if picture.mode.startswith(("I", "F")):
        picture = Image.fromarray(_eight_bit(np.asarray(picture)))
    rgb = colours(picture) if colours else None
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        if rgb is not None:
            rgb.putalpha(picture.getchannel("A"))
            picture = rgb
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return rgb or picture.convert("RGB")


def _eight_bit(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Grey values `(H, W)` of a 16-bit, 32-bit or float picture as uint8."""
    if not np.isfinite(values).all():
        raise RequestError("it holds NaN or infinity")
    low, high = float(values.min()), float(values.max())
    whole = 1.0 if values.dtype.kind == "f" else 65535.0
    if low < 0 or high > whole:
        raise RequestError(
            f"its grey values run from {low:.4g} to {high:.4g}; they must lie in [0, {whole:.0f}]"
        )
    return np.round(values.astype(np.float64) * (255 / whole)).astype(np.uint8)


def _one_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0] if text else type(error).__name__
