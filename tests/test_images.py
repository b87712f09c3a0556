"""Photos of every kind become the right tensor, or one line that says what is wrong."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from invert import images, pictures
from invert.errors import RequestError

RED, GREEN = (255, 0, 0), (0, 128, 0)


def left_right(size: tuple[int, int] = (40, 20)) -> Image.Image:
    """Red on the left, green on the right."""
    picture = Image.new("RGB", size, RED)
    picture.paste(GREEN, (size[0] // 2, 0, *size))
    return picture


def near(pixel: Any, colour: tuple[int, int, int], tolerance: int = 6) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "gif", "tiff", "ppm", "jp2"])
def test_formats(tmp_path: Path, suffix: str) -> None:
    left_right().save(tmp_path / f"photo.{suffix}")
    picture = pictures.read(tmp_path / f"photo.{suffix}")
    assert (picture.mode, picture.size) == ("RGB", (40, 20))
    assert near(picture.getpixel((5, 10)), RED) and near(picture.getpixel((35, 10)), GREEN)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("1", (255, 255, 255)),
        ("L", (76, 76, 76)),
        ("P", RED),
        ("CMYK", RED),
        ("RGBA", RED),
        ("LA", (76, 76, 76)),
    ],
)
def test_modes(tmp_path: Path, mode: str, expected: tuple[int, int, int]) -> None:
    picture = Image.new("RGB", (8, 8), (255, 255, 255) if mode == "1" else RED).convert(mode)
    picture.save(tmp_path / "photo.tiff")
    assert near(pictures.read(tmp_path / "photo.tiff").getpixel((4, 4)), expected)


def test_exif_rotation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate a quarter clockwise to view
    left_right().save(tmp_path / "photo.jpg", exif=exif)
    picture = pictures.read(tmp_path / "photo.jpg")
    assert picture.size == (20, 40)
    assert near(picture.getpixel((10, 5)), RED) and near(picture.getpixel((10, 35)), GREEN)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits(tmp_path: Path, suffix: str) -> None:
    grey = np.full((6, 6), 0x8080, dtype=np.uint16)
    Image.fromarray(grey).save(tmp_path / f"photo.{suffix}")
    assert pictures.read(tmp_path / f"photo.{suffix}").getpixel((3, 3)) == (128, 128, 128)


def test_floats_in_a_file(tmp_path: Path) -> None:
    Image.fromarray(np.full((6, 6), 0.5, dtype=np.float32)).save(tmp_path / "half.tiff")
    assert pictures.read(tmp_path / "half.tiff").getpixel((3, 3)) == (128, 128, 128)
    for name, value in (("nan", np.nan), ("large", 7.0)):
        Image.fromarray(np.full((6, 6), value, dtype=np.float32)).save(tmp_path / f"{name}.tiff")
        with pytest.raises(RequestError, match=r"NaN|must lie in \[0, 1\]"):
            pictures.read(tmp_path / f"{name}.tiff")


def test_transparency_lies_on_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    clear.putpixel((0, 0), (0, 128, 0, 255))
    clear.save(tmp_path / "rgba.png")
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([*GREEN, *RED])
    palette.putpixel((0, 0), 0)
    palette.save(tmp_path / "palette.png", transparency=1)
    for name in ("rgba.png", "palette.png"):
        picture = pictures.read(tmp_path / name)
        assert (picture.getpixel((0, 0)), picture.getpixel((4, 4))) == (GREEN, (255, 255, 255))


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_the_first_frame_of_an_animation(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, GREEN)]
    frames[0].save(tmp_path / f"photo.{suffix}", save_all=True, append_images=frames[1:])
    assert near(pictures.read(tmp_path / f"photo.{suffix}").getpixel((4, 4)), RED)


@pytest.mark.parametrize("size", [(1, 1), (1, 10_000), (10_000, 1), (3, 2), (300, 200)])
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 20)])
def test_any_size_covers_the_input(
    tmp_path: Path, size: tuple[int, int], shape: tuple[int, int, int]
) -> None:
    Image.new("RGB", size, (255, 255, 255)).save(tmp_path / "photo.png")
    image = images.to_tensor(tmp_path / "photo.png", shape, crop=0.875)
    assert image.shape == (1, *shape)
    torch.testing.assert_close(image, torch.ones_like(image))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that announces width × height pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def truncated(suffix: str) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 90).convert("RGB").save(buffer, suffix)
    return buffer.getvalue()[: len(buffer.getvalue()) // 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a picture that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
        (truncated("png"), "damaged or truncated"),
        (truncated("jpeg"), "damaged or truncated"),
        (truncated("webp"), "damaged or truncated|not a picture"),
        (bomb(10_000, 10_000), "10,000 × 10,000 is over 67,108,864 pixels"),
        (bomb(60_000, 60_000), "67,108,864 pixels; make it smaller"),
    ],
    ids=["empty", "svg", "eps", "png cut", "jpeg cut", "webp cut", "large bomb", "huge bomb"],
)
def test_files_that_are_no_pictures(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "photo.png").write_bytes(content)
    with pytest.raises(RequestError, match=message) as caught:
        pictures.read(tmp_path / "photo.png")
    assert "photo.png" in str(caught.value) and "\n" not in str(caught.value)


def test_the_global_limit_of_pillow_stays() -> None:
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(RequestError):
        pictures.read("no/such/file.png")
    assert before == Image.MAX_IMAGE_PIXELS


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="there is no such file"):
        pictures.read(tmp_path / "no.png")
    with pytest.raises(RequestError, match="not a regular file"):
        pictures.read(tmp_path)


GREY = np.full((10, 12), 51, dtype=np.uint8)


@pytest.mark.parametrize(
    "photo",
    [
        GREY,
        np.stack([GREY] * 3, 2),
        GREY.astype(np.float32) / 255,
        GREY.astype(np.float64)[..., None] / 255,
        GREY.astype(np.uint16) * 257,
        np.stack([GREY] * 3, 2)[::-1],
        torch.from_numpy(GREY),
        torch.full((3, 10, 12), 0.2),
        torch.full((1, 3, 10, 12), 0.2, dtype=torch.float64, requires_grad=True),
        torch.full((3, 10, 12), 0.2, dtype=torch.bfloat16),
        Image.fromarray(GREY),
        Image.new("RGBA", (12, 10), (51, 51, 51, 255)),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_tensors_and_pictures(photo: Any, channels: int) -> None:
    image = images.to_tensor(photo, (channels, 8, 8))
    assert image.dtype == torch.float32 and not image.requires_grad
    torch.testing.assert_close(image, torch.full((1, channels, 8, 8), 0.2), atol=2e-3, rtol=0)


def test_one_channel_is_the_luminance() -> None:
    image = images.to_tensor(Image.new("RGB", (4, 4), (0, 255, 0)), (1, 4, 4))
    torch.testing.assert_close(image, torch.full((1, 1, 4, 4), 0.587), atol=1e-3, rtol=0)


def test_a_photo_with_the_channels_of_the_network() -> None:
    photo = torch.rand(6, 8, 8)
    assert torch.equal(images.to_tensor(photo, (6, 8, 8))[0], photo)


@pytest.mark.parametrize(
    ("photo", "message"),
    [
        (np.full((4, 4), np.nan), "NaN or infinity"),
        (torch.full((3, 4, 4), torch.inf), "NaN or infinity"),
        (np.full((4, 4, 3), 200.0), r"values from 200 to 200: floats must lie in \[0, 1\]"),
        (torch.full((3, 4, 4), -0.5), r"must lie in \[0, 1\]"),
        (torch.rand(2, 3, 4, 4), r"not \(2, 3, 4, 4\)"),
        (np.zeros(5), r"not \(5,\)"),
        (np.zeros((4, 4), dtype=np.int64), "8 or 16 bits a value, not torch.int64"),
        (np.zeros((0, 4, 3)), "not"),
        (np.array([["a", "b"]]), "holds numbers"),
        (torch.rand(5, 4, 4), "5 channels and the network takes 3"),
        (42, "an image is a path"),
    ],
)
def test_photos_that_make_no_sense(photo: Any, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        images.to_tensor(photo, (3, 4, 4))


def test_the_crop_is_that_of_the_published_evaluation() -> None:
    from torchvision.models import AlexNet_Weights

    published = AlexNet_Weights.DEFAULT.transforms()
    photo = Image.effect_noise((300, 400), 60).convert("RGB")
    mean, std = torch.tensor(published.mean).view(3, 1, 1), torch.tensor(published.std).view(3, 1, 1)
    expected = published(photo) * std + mean
    torch.testing.assert_close(
        images.to_tensor(photo, (3, 224, 224), crop=224 / 256)[0], expected, atol=0.02, rtol=0
    )


@pytest.mark.parametrize("shape", [(1, 6, 5), (3, 6, 5), (1, 3, 6, 5)])
def test_a_png_gives_the_image_back(tmp_path: Path, shape: tuple[int, ...]) -> None:
    image = torch.randint(0, 256, shape) / 255
    images.save_png(image, tmp_path / "image.png")
    again = images.to_tensor(tmp_path / "image.png", (shape[-3], 6, 5))
    torch.testing.assert_close(again, image.reshape(1, *shape[-3:]))


def test_a_photo_of_the_right_size_lies_in_memory_as_it_was_read(tmp_path: Path) -> None:
    """Pixel by pixel: convolutions round by how their input lies, and the same call gives the same bits."""
    Image.effect_noise((16, 16), 90).convert("RGB").save(tmp_path / "x.png")
    assert images.to_tensor(tmp_path / "x.png", (3, 16, 16)).stride()[1:] == (1, 48, 3)
