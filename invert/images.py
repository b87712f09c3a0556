"""Pictures in and out: any photo to a float tensor in [0, 1], and a tensor to a PNG.

Pictures are untrusted input. A file is identified by its content, only by the raster formats of
`FORMATS` (Pillow's EPS reader, for one, runs a program), and its size is checked before a pixel
is decoded. Whatever is wrong with a photo becomes one `RequestError` line.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional as F

from invert.errors import RequestError

Photo = str | Path | Image.Image | np.ndarray[Any, Any] | Tensor

FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "BMP", "GIF", "TIFF", "PPM", "JPEG2000", "ICO", "TGA")
"""Pillow's names of the file formats that are read."""

PIXEL_LIMIT = 89_478_485
"""Photos with more pixels than this are refused undecoded: Pillow's own bound, a quarter of a GiB in RGB."""

LUMINANCE = (0.299, 0.587, 0.114)
"""What red, green and blue add to the grey of a pixel (ITU-R BT.601)."""

LONGEST = 4
"""A photo over so many times as long as the network's input is cut to that before it is resized,
so that 1 × 10,000 stays small."""


def read(path: str | Path) -> Image.Image:
    """The photo in a file: upright, 8-bit RGB, transparency on white, the first frame of an animation.

    Raises `RequestError` where `path` is no file, no picture, truncated, or has over `PIXEL_LIMIT` pixels.
    """
    path = Path(path)
    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]  # AVIF depends on Pillow's build
    try:
        if not path.is_file():
            raise RequestError("not a file" if path.exists() else "there is no such file")
        with warnings.catch_warnings():
            # Pillow warns of bombs and odd metadata; both are dealt with here.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=formats) as picture:
                return _decoded(picture)
    except RequestError as error:
        reason = str(error)
    except UnidentifiedImageError:
        reason = f"not a picture that can be read ({', '.join(formats)})"
    except Image.DecompressionBombError:
        reason = f"over {PIXEL_LIMIT:,} pixels; make it smaller"
    except Exception as error:  # readers of damaged headers raise whatever they stumble over
        reason = f"damaged or truncated ({_one_line(error)})"
    raise RequestError(f"image {str(path)!r}: {reason}")


def to_rgb(picture: Image.Image) -> Image.Image:
    """8-bit RGB of a PIL image of any mode: 16-bit and float scaled, transparency composited on white."""
    if picture.mode.startswith(("I", "F")):
        return Image.fromarray(_eight_bit(np.asarray(picture))).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


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
    channels, height, width = shape
    image = _with_channels(_pixels(photo), channels)
    return _fit(image, height, width, crop, interpolation).clamp(0, 1)[None]


def to_float(photo: Photo) -> Tensor:
    """A photo at its own size: `(1, C, H, W)` in [0, 1], of one or three channels."""
    image = _pixels(photo)
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


def _pixels(photo: Photo) -> Tensor:
    """The photo at its own size: float `(C, H, W)` in [0, 1]."""
    if isinstance(photo, (str, Path)):
        photo = read(photo)
    elif isinstance(photo, Image.Image):
        photo = _decoded(photo)
    if isinstance(photo, Image.Image):
        photo = np.asarray(photo)
    if isinstance(photo, np.ndarray):
        return _checked(_from_array(photo))
    if isinstance(photo, Tensor):
        image = photo.detach().cpu()
        image = image.squeeze(0) if image.ndim == 4 and image.shape[0] == 1 else image
        return _checked(image[None] if image.ndim == 2 else image)
    raise RequestError(f"an image is a path, a PIL image, an array or a tensor, not {type(photo).__name__}")


def _from_array(array: np.ndarray[Any, Any]) -> Tensor:
    if array.dtype.kind not in "uifb":
        raise RequestError(f"an image array holds numbers, not {array.dtype}")
    if array.dtype == np.uint16:  # torch converts few unsigned types
        array = array.astype(np.float32) / 65535
    tensor = torch.from_numpy(np.array(array))
    return tensor[None] if tensor.ndim == 2 else tensor.movedim(-1, 0) if tensor.ndim == 3 else tensor


def _checked(image: Tensor) -> Tensor:
    """`image` `(C, H, W)` as floats, or the reason why it is none."""
    if image.ndim != 3 or image.numel() == 0:
        raise RequestError(
            f"an image is (H, W, C) as an array or (C, H, W) as a tensor, not {tuple(image.shape)}"
        )
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


def _fit(image: Tensor, height: int, width: int, crop: float, interpolation: str) -> Tensor:
    """`image` resized to cover `height` × `width` divided by `crop`, and its centre cut out."""
    short = min(image.shape[-2:])
    longest = int(LONGEST * short * max(height, width) / min(height, width))
    image = _centre(image, [min(side, longest) for side in image.shape[-2:]])
    scale = max(round(height / crop) / image.shape[-2], round(width / crop) / image.shape[-1])
    size = [max(height, round(image.shape[-2] * scale)), max(width, round(image.shape[-1] * scale))]
    if size != list(image.shape[-2:]):
        image = F.interpolate(image[None], size, mode=interpolation, antialias=True)[0]
    return _centre(image, [height, width])


def _centre(image: Tensor, size: list[int]) -> Tensor:
    """The middle `size` (height, width) of `image`, which is no smaller."""
    top, left = (round((have - keep) / 2) for have, keep in zip(image.shape[-2:], size, strict=True))
    return image[..., top : top + size[0], left : left + size[1]]


def _decoded(picture: Image.Image) -> Image.Image:
    """`picture` upright and in RGB; its size is checked before the first pixel is read."""
    width, height = picture.size
    if width * height > PIXEL_LIMIT:
        raise RequestError(f"{width:,} × {height:,} is over {PIXEL_LIMIT:,} pixels; make it smaller")
    if width * height == 0:
        raise RequestError("it has no pixels")
    try:
        return to_rgb(ImageOps.exif_transpose(picture))
    except RequestError:
        raise
    except Exception as error:  # so do decoders
        raise RequestError(f"damaged or truncated ({_one_line(error)})") from None


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
