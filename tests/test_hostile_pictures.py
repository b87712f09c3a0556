"""Pictures that somebody else made: opened as rasters alone, sized undecoded, in little memory."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFile
from torch.nn import functional as F

import invert_reports
from invert import images, operator, pictures
from invert.cli import main
from invert.errors import RequestError
from invert_reports.html.pictures import agreement_map, png_uri

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(touched) (w) file closefile showpage\n"


@pytest.fixture(scope="module")
def finished(own_network: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "out"
    words = ("--layer", "conv", "--prior", "none", "--steps", "2", "--seeds", "2", "--quiet")
    assert main([own_network, *words, "--device", "cpu", "--out", str(out)]) == 0
    return out


@pytest.fixture
def decoders(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The formats that Pillow was asked to decode, as they come."""
    asked: list[str] = []
    load = ImageFile.ImageFile.load

    def listen(picture: ImageFile.ImageFile) -> object:
        asked.append(str(picture.format))
        return load(picture)

    monkeypatch.setattr(ImageFile.ImageFile, "load", listen)
    return asked


@pytest.mark.parametrize("content", ["eps", "jpeg", "tiff"])
def test_a_runs_picture_is_opened_as_what_this_tool_writes(
    content: str, finished: Path, tmp_path: Path, decoders: list[str], own_network: str
) -> None:
    """PostScript would start a program; a picture of another format is none that a run wrote."""
    buffer = io.BytesIO(POSTSCRIPT)
    if content != "eps":
        buffer = io.BytesIO()
        Image.new("RGB", (32, 32), "red").save(buffer, content)
    out = tmp_path / "out"
    _copy(finished, out)
    for picture in out.rglob("*.png"):
        picture.write_bytes(buffer.getvalue())
    words = ("--layer", "conv", "--prior", "none", "--steps", "2", "--seeds", "2", "--quiet")
    invert_reports.write_page(out)
    invert_reports.write_figure(out, tmp_path / "figure.png")
    invert_reports.merge([out], tmp_path / "merged")
    assert set(decoders) <= {"PNG"}  # its own figure may be read back
    main([own_network, *words, "--device", "cpu", "--resume", str(out)])
    assert set(decoders) <= {"PNG", "JPEG"}  # the bundled photo, which is read again, is a JPEG
    file = next(finished.rglob("image.png"))
    file_of_other = tmp_path / "other.png"
    file_of_other.write_bytes(buffer.getvalue())
    for read in (
        pictures.read_own,
        pictures.own_bytes,
        png_uri,
        lambda f: agreement_map([str(f), str(file)]),
    ):
        with pytest.raises(RequestError, match="not a picture that can be read"):
            read(file_of_other)
        read(file)


def _copy(source: Path, target: Path) -> None:
    for file in source.rglob("*"):
        if file.is_file():
            (target / file.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
            (target / file.relative_to(source)).write_bytes(file.read_bytes())


def flat_png(width: int, height: int) -> bytes:
    """A PNG of grey, whole, in a few kilobytes."""
    rows = zlib.compress((b"\0" + b"\x80" * width) * height, 9)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks
    )


def ico(png: bytes) -> bytes:
    """An icon that says 256 × 256 and holds any picture."""
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(png), 22)
    return struct.pack("<HHH", 0, 1, 1) + entry + png


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ico(flat_png(13_000, 13_000)), "not a picture that can be read"),
        (flat_png(13_000, 13_000), "13,000 × 13,000 is over 67,108,864 pixels"),
    ],
    ids=["icon", "png"],
)
def test_a_picture_over_the_limit_is_refused_undecoded(
    content: bytes, message: str, tmp_path: Path, decoders: list[str]
) -> None:
    (tmp_path / "photo.png").write_bytes(content)
    with pytest.raises(RequestError, match=message):
        images.to_tensor(tmp_path / "photo.png", (3, 32, 32))
    assert decoders == []


def test_an_own_picture_is_no_larger_than_a_networks_input(tmp_path: Path, decoders: list[str]) -> None:
    (tmp_path / "image.png").write_bytes(flat_png(4097, 4096))
    for read in (pictures.read_own, pictures.own_bytes):
        with pytest.raises(RequestError, match="over 16,777,216 pixels"):
            read(tmp_path / "image.png")
    assert decoders == []


@pytest.mark.parametrize("suffix", ["webp", "avif", "jp2"])
def test_formats_that_take_more_memory_may_have_fewer_pixels(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (60, 50)).save(tmp_path / f"photo.{suffix}")
    monkeypatch.setattr(pictures.opened.__wrapped__, "__defaults__", (pictures.FORMATS, 2 * 60 * 50 - 1))
    with (
        pytest.raises(RequestError, match="60 × 50 is over 2,999 pixels"),
        pictures.opened(tmp_path / f"photo.{suffix}"),
    ):
        pass


def test_a_photo_just_under_the_limit_takes_less_than_a_gibibyte(tmp_path: Path) -> None:
    """Decoded it has 64 million pixels; as floats all at once it took over 3 GB."""
    (tmp_path / "photo.png").write_bytes(flat_png(8000, 8000))
    script = (
        "import resource, sys; from invert import images;"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "before = peak(); images.to_tensor(sys.argv[1], (3, 32, 32)); print(peak() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "photo.png"], capture_output=True, check=True
    )
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout) * unit < 2**30


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 20, 28), (3, 90, 70)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_strips_give_the_same_bits_as_all_at_once(
    shape: tuple[int, int, int], interpolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (157, 203, 3), dtype=np.uint8)
    monkeypatch.setattr(images, "STRIP", 10 * 203)
    in_strips = images.to_tensor(photo, shape, crop=0.875, interpolation=interpolation)
    monkeypatch.setattr(images, "STRIP", 10**9)
    assert torch.equal(in_strips, images.to_tensor(photo, shape, crop=0.875, interpolation=interpolation))
    assert torch.equal(
        in_strips, images.to_tensor(Image.fromarray(photo), shape, crop=0.875, interpolation=interpolation)
    )


def test_strips_are_what_torch_resizes(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = torch.rand(3, 157, 203, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(images, "STRIP", 1000)
    resized = F.interpolate(photo[None], (32, 41), mode="bilinear", antialias=True)
    assert torch.equal(images.to_tensor(photo, (3, 32, 32)), resized[..., 4:36].clamp(0, 1))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_an_own_picture_holds_pixels_and_little_else(tmp_path: Path) -> None:
    """A page takes originals as they are: a megabyte behind 64 pixels would be in it."""
    Image.new("RGB", (8, 8), "red").save(tmp_path / "x.png")
    assert pictures.own_bytes(tmp_path / "x.png") == (tmp_path / "x.png").read_bytes()
    with (tmp_path / "x.png").open("ab") as file:
        file.write(b"x" * 2**20 + b"y" * 8 * 64)
    with pytest.raises(RequestError, match=r"bytes, over 1,049,088"):
        pictures.own_bytes(tmp_path / "x.png")


def test_an_agreement_map_of_large_pictures_is_small(tmp_path: Path) -> None:
    """As many as there are seeds lie in memory at once."""
    for name, shade in (("a", 0), ("b", 60)):
        Image.new("RGB", (4000, 10), (shade,) * 3).save(tmp_path / f"{name}.png")
    large = agreement_map([str(tmp_path / "a.png"), str(tmp_path / "b.png")])
    for name in ("a", "b"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            picture.crop((0, 0, 20, 10)).save(tmp_path / f"{name}.png")
    small = agreement_map([str(tmp_path / "a.png"), str(tmp_path / "b.png")])
    assert large.size == (1000, 3) and large.getpixel((9, 2)) == small.getpixel((9, 2))


@pytest.mark.parametrize("transparent", [False, True])
def test_a_mask_of_another_size_is_refused_undecoded(
    transparent: bool, tmp_path: Path, decoders: list[str]
) -> None:
    """It took 1.8 GB to say so."""
    Image.new("1", (8192, 8191)).save(tmp_path / "mask.png")
    mask = operator("mask", file=str(tmp_path / "mask.png"), transparent=transparent)
    with pytest.raises(RequestError, match="8192 × 8191, the picture 64 × 48: a mask is as large"):
        mask.start((3, 48, 64), torch.Generator())
    assert decoders == []


def test_only_regular_files_are_photos(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    for name in ("pipe.png", "zero.png", "."):
        with pytest.raises(RequestError, match="not a regular file"):
            images.to_tensor(tmp_path / name, (3, 32, 32))


def test_a_file_of_too_many_bytes_is_no_photo(tmp_path: Path) -> None:
    with (tmp_path / "photo.bmp").open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(RequestError, match="1,073,741,824 bytes, over 536,870,912"):
        images.to_tensor(tmp_path / "photo.bmp", (3, 32, 32))
