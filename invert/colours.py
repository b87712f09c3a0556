"""Photos in the colours of a profile become sRGB, which is what networks were trained on."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageCms

Conversion = Callable[[Image.Image], Image.Image]

SLACK = 2
"""A profile that moves no colour by more than this, of 255, is sRGB: the photo stays as it is."""

GREYS = ("1", "L", "LA", "La", "I", "F")


def conversion(picture: Image.Image) -> Conversion | None:
    """What takes `picture`, or a part of it, from the colours of its profile to 8-bit sRGB.

    None where it has no profile, where that is sRGB, or where it is broken or another kind of
    picture's: then the numbers of the file are taken for sRGB, as all viewers do.
    """
    content = picture.info.get("icc_profile")
    if not isinstance(content, bytes) or not content:
        return None
    grey = picture.mode in GREYS or picture.mode.startswith("I;")
    space, mode = ("GRAY", "L") if grey else ("CMYK", "CMYK") if picture.mode == "CMYK" else ("RGB", "RGB")
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        if profile.profile.xcolor_space.strip() != space:
            return None
        transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")
        converted = np.asarray(ImageCms.applyTransform(_colours(mode), transform), dtype=np.int16)
    except Exception:  # whatever a broken profile makes the reader stumble over
        return None
    if np.abs(converted - np.asarray(_colours(mode).convert("RGB"), dtype=np.int16)).max() <= SLACK:
        return None

    def convert(part: Image.Image) -> Image.Image:
        made = ImageCms.applyTransform(part.convert(mode), transform)
        assert made is not None  # only where it was asked to work in place
        return made

    return convert


def _colours(mode: str) -> Image.Image:
    """A picture of colours from all of the space: each channel in 9 levels, greys in 256."""
    levels = np.linspace(0, 255, 256 if mode == "L" else 9).round().astype(np.uint8)
    if mode == "L":
        return Image.fromarray(levels[None])
    grid = np.stack(np.meshgrid(*[levels] * len(mode), indexing="ij"), axis=-1)
    return Image.fromarray(grid.reshape(1, -1, len(mode)), mode)
