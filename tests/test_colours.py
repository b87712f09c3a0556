"""Photos with a colour profile become sRGB; what is no profile of theirs changes nothing."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from invert import images, pictures
from invert.colours import conversion

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

# Red, green, blue as the profile connection space (XYZ, D50) has them.
OF_SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))
OF_DISPLAY_P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))


def number(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def profile(colours: tuple[tuple[float, ...], ...], gamma: float = 2.2, space: bytes = b"RGB ") -> bytes:
    """A small ICC profile (version 2): three colours, or grey, and one exponent."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    white = b"XYZ " + bytes(4) + b"".join(map(number, (0.9642, 1.0, 0.8249)))
    tags = {b"wtpt": white}
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    for name, xyz in zip(b"rgb", colours, strict=False):
        tags[bytes([name]) + b"XYZ"] = b"XYZ " + bytes(4) + b"".join(map(number, xyz))
        tags[bytes([name]) + b"TRC"] = curve
    tags[b"desc"] = b"desc" + bytes(4) + struct.pack(">I", 2) + b"x\0" + bytes(78)
    tags[b"cprt"] = b"text" + bytes(4) + b"x\0\0\0"
    table, body, at = b"", b"", 132 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"lcms", 0x02100000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H", 2026, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += b"".join(map(number, (0.9642, 1.0, 0.8249))) + bytes(48)
    return head + struct.pack(">I", len(tags)) + table + body


def pixel(path: Path) -> tuple[int, ...]:
    found = pictures.read(path).getpixel((2, 2))
    assert isinstance(found, tuple)
    return found


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
def test_a_profile_is_converted_to_srgb(suffix: str, tmp_path: Path) -> None:
    """A profile whose red is blue: nothing subtle."""
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / f"x.{suffix}", icc_profile=profile(OF_SRGB[::-1]))
    red, _, blue = pixel(tmp_path / f"x.{suffix}")
    assert red < 40 and blue > 215
    image = images.to_tensor(tmp_path / f"x.{suffix}", (3, 4, 4))
    assert float(image[0, 2].min()) > 0.84 and float(image[0, 0].max()) < 0.16


def test_display_p3_is_what_the_standard_says(tmp_path: Path) -> None:
    stored = np.array([200, 100, 50]) / 255
    xyz = np.array(OF_DISPLAY_P3).T @ stored**2.2
    linear = np.linalg.solve(np.array(OF_SRGB).T, xyz)
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clip(0) ** (1 / 2.4) - 0.055)
    Image.new("RGB", (8, 8), (200, 100, 50)).save(tmp_path / "x.png", icc_profile=profile(OF_DISPLAY_P3))
    assert np.abs(np.array(pixel(tmp_path / "x.png")) - 255 * srgb).max() <= 2
    assert np.abs(255 * srgb - (200, 100, 50)).max() > 5


def test_srgb_stays_bit_for_bit(tmp_path: Path) -> None:
    photo = Image.effect_noise((64, 48), 90).convert("RGB")
    photo.save(tmp_path / "plain.png")
    photo.save(tmp_path / "tagged.png", icc_profile=SRGB)
    assert Image.open(tmp_path / "tagged.png").info["icc_profile"]
    assert pictures.read(tmp_path / "plain.png").tobytes() == pictures.read(tmp_path / "tagged.png").tobytes()


def test_grey_and_transparent_photos_are_converted_too(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 100).save(tmp_path / "grey.png", icc_profile=profile((), 1.0, b"GRAY"))
    lighter = pixel(tmp_path / "grey.png")
    assert len(set(lighter)) == 1 and 165 < lighter[0] < 172  # 100 of 255, linear, is 168 in sRGB
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 255))
    clear.putpixel((0, 0), (255, 0, 0, 0))
    clear.save(tmp_path / "clear.png", icc_profile=profile(OF_SRGB[::-1]))
    read = pictures.read(tmp_path / "clear.png")
    assert read.getpixel((0, 0)) == (255, 255, 255)
    red, _, blue = pixel(tmp_path / "clear.png")
    assert red < 40 and blue > 215


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        b"\0" * 4000,
        profile(OF_SRGB[::-1])[:200],
        profile(OF_SRGB[::-1])[:128] + b"\xff" * 300,
        profile((), 1.0, b"GRAY"),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes(),
    ],
    ids=["a letter", "zeros", "cut", "broken tags", "grey", "lab"],
)
def test_odd_and_broken_profiles_change_nothing(content: bytes, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (200, 100, 50)).save(tmp_path / "x.png", icc_profile=content)
    assert pixel(tmp_path / "x.png") == (200, 100, 50)


def test_no_profile_is_no_conversion() -> None:
    assert conversion(Image.new("RGB", (2, 2))) is None
