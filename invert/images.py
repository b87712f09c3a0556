"""Pictures as tensors: any photo to floats in [0, 1] that cover a network's input, and back to a PNG.

Large photos are turned into floats and narrowed a strip of rows at a time, which gives the same
bits as all at once and takes a tenth of the memory.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from invert import pictures
from invert.colours import conversion
from invert.errors import RequestError

Photo = str | Path | Image.Image | np.ndarray[Any, Any] | Tensor

LUMINANCE = (0.299, 0.587, 0.114)
"""What red, green and blue add to the grey of a pixel (ITU-R BT.601)."""

LONGEST = 4
"""A photo over so many times as long as the network's input is cut to that before it is resized,
so that 1 × 10,000 stays small."""

STRIP = 2**18
"""Pixels that are turned into floats at once."""

Part = Callable[[slice, slice], Tensor]
"""Gives some rows and columns of a photo, as floats `(C, h, w)` in [0, 1]."""


def to_tensor(
    photo: Photo,
    shape: tuple[int, int, int],
    *,
    crop: float = 1.0,
    interpolation: str = "bilinear",
) -> Tensor:
    """A photo as `(1, C, H, W)` in [0, 1], for `shape` `(C, H, W)`.

    `photo` is a path, a PIL image, an array `(H, W)` or `(H, W, C)`, or a tensor `(C, H, W)` or
    `(1, C, H, W)`; arrays and tensors hold 8- or 16-bit integers or floats in [0, 1].
    The photo is resized, antialiased, until it just covers `shape` divided by `crop`, and its
    centre is cut out: `crop` is what evaluations of ImageNet classifiers call the crop ratio
    (224 of 256: 0.875). One channel becomes three alike; three become one by luminance (Rec. 601).
    """
    if isinstance(photo, (str, Path)):
        with pictures.opened(photo) as picture:
            return to_tensor(picture, shape, crop=crop, interpolation=interpolation)
    size, part = _readable(photo)
    return _fit(size, part, shape, crop, interpolation).clamp(0, 1)[None]


def to_float(photo: Photo) -> Tensor:
    """A photo at its own size: `(1, C, H, W)` in [0, 1], of one or three channels."""
    if isinstance(photo, (str, Path)):
        with pictures.opened(photo) as picture:
            return to_float(picture)
    (height, width), part = _readable(photo)
    image = part(slice(0, height), slice(0, width))
    return _with_channels(image, 1 if image.shape[0] < 3 else 3)[None]


def fingerprint(photo: Photo) -> str:
    """What tells a photo from another: a digest of its values; of a file, its name."""
    if isinstance(photo, (str, Path)):
        return str(photo)
    if isinstance(photo, Tensor):
        photo = photo.detach().cpu().contiguous().numpy()
    array = np.ascontiguousarray(photo)
    return hashlib.sha256(f"{array.dtype} {array.shape} ".encode() + array.tobytes()).hexdigest()


def to_png(image: Tensor) -> bytes:
    """`image` `(C, H, W)` or `(1, C, H, W)` in [0, 1], C being 1 or 3, as the bytes of an 8-bit PNG."""
    image = image.detach().cpu().float().nan_to_num(0.0).clamp(0, 1)
    image = image.squeeze(0) if image.ndim == 4 else image
    pixels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(buffer, "PNG")
    return buffer.getvalue()


def save_png(image: Tensor, path: str | Path) -> None:
    """Write `image` (see `to_png`) to `path`."""
    Path(path).write_bytes(to_png(image))


def _readable(photo: Image.Image | np.ndarray[Any, Any] | Tensor) -> tuple[tuple[int, int], Part]:
    """The height and width of a photo, and what gives a part of it."""
    if isinstance(photo, Image.Image):
        return _from_picture(photo)
    if isinstance(photo, np.ndarray):
        return _from_array(photo)
    if isinstance(photo, Tensor):
        return _from_tensor(photo.detach())
    raise RequestError(f"an image is a path, a PIL image, an array or a tensor, not {type(photo).__name__}")


def _from_picture(picture: Image.Image) -> tuple[tuple[int, int], Part]:
    pictures.check_size(picture)
    colours = conversion(picture)
    upright = pictures.upright(picture)

    def part(rows: slice, columns: slice) -> Tensor:
        cut = upright.crop((columns.start, rows.start, columns.stop, rows.stop))
        pixels = np.array(pictures.to_rgb(cut, colours))
        return torch.from_numpy(pixels).movedim(-1, 0).float() / 255

    return (upright.height, upright.width), part


def _from_array(array: np.ndarray[Any, Any]) -> tuple[tuple[int, int], Part]:
    if array.dtype.kind not in "uifb":
        raise RequestError(f"an image array holds numbers, not {array.dtype}")
    if array.ndim not in (2, 3) or array.size == 0:
        raise _no_image(array.shape)

    def part(rows: slice, columns: slice) -> Tensor:
        cut = array[rows, columns]
        if cut.dtype == np.uint16:  # torch converts few unsigned types
            cut = cut.astype(np.float32) / 65535
        tensor = torch.from_numpy(np.array(cut))
        return _floats(tensor[None] if tensor.ndim == 2 else tensor.movedim(-1, 0))

    return (array.shape[0], array.shape[1]), part


def _from_tensor(tensor: Tensor) -> tuple[tuple[int, int], Part]:
    image = tensor.squeeze(0) if tensor.ndim == 4 and tensor.shape[0] == 1 else tensor
    image = image[None] if image.ndim == 2 else image
    if image.ndim != 3 or image.numel() == 0:
        raise _no_image(tuple(image.shape))
    return (image.shape[1], image.shape[2]), lambda rows, columns: _floats(image[:, rows, columns].cpu())


def _no_image(shape: tuple[int, ...]) -> RequestError:
    return RequestError(f"an image is (H, W, C) as an array or (C, H, W) as a tensor, not {shape}")


def _floats(image: Tensor) -> Tensor:
    """`image` `(C, H, W)` as floats in [0, 1], or the reason why it cannot be."""
    if not image.is_floating_point() and image.dtype != torch.bool:
        if image.dtype.itemsize > 2:
            raise RequestError(f"an image of whole numbers has 8 or 16 bits a value, not {image.dtype}")
        image = image.float() / torch.iinfo(image.dtype).max
    image = image.float()
    if not bool(image.isfinite().all()):
        raise RequestError("the image holds NaN or infinity")
    low, high = float(image.min()), float(image.max())
    if low < -1e-3 or high > 1 + 1e-3:
        raise RequestError(f"the image holds values from {low:.4g} to {high:.4g}: floats must lie in [0, 1]")
    return image


def _with_channels(image: Tensor, channels: int) -> Tensor:
    have = image.shape[0]
    if channels in (1, 3) and have in (2, 4):  # an alpha channel: on white
        image, alpha = image[:-1], image[-1:]
        image = image * alpha + (1 - alpha)
        have -= 1
    if have == channels:
        return image
    if have == 1:
        return image.expand(channels, -1, -1)
    if have == 3 and channels == 1:
        return (image * image.new_tensor(LUMINANCE).view(3, 1, 1)).sum(0, keepdim=True)
    raise RequestError(f"the image has {have} channels and the network takes {channels}")


def _fit(
    size: tuple[int, int], part: Part, shape: tuple[int, int, int], crop: float, interpolation: str
) -> Tensor:
    """A photo of `size` resized to cover `shape` divided by `crop`, and its centre `shape` cut out."""
    channels, height, width = shape
    longest = int(LONGEST * min(size) * max(height, width) / min(height, width))
    rows, columns = (_middle(side, min(side, longest)) for side in size)
    have = (rows.stop - rows.start, columns.stop - columns.start)
    scale = max(round(height / crop) / have[0], round(width / crop) / have[1])
    want = (max(height, round(have[0] * scale)), max(width, round(have[1] * scale)))

    def resized(image: Tensor, to: tuple[int, int]) -> Tensor:
        if to == tuple(image.shape[-2:]):
            return image
        return F.interpolate(image[None], to, mode=interpolation, antialias=True)[0]

    strips = []
    step = max(1, STRIP // have[1])
    for start in range(rows.start, rows.stop, step):
        strip = _with_channels(part(slice(start, min(start + step, rows.stop)), columns), channels)
        strips.append(resized(strip, (strip.shape[1], want[1])))
    # One strip stays as it lies in memory: a network's convolutions round by that.
    image = resized(strips[0] if len(strips) == 1 else torch.cat(strips, dim=1), want)
    top, left = _middle(want[0], height), _middle(want[1], width)
    return image[:, top, left]


def _middle(side: int, keep: int) -> slice:
    """The middle `keep` of `side` pixels."""
    first = round((side - keep) / 2)
    return slice(first, first + keep)
