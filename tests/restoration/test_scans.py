"""Pictures at their own depth and mode, by another reader than the one that wrote them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from restoration_helpers import HEIGHT, WIDTH, pixels, values
from restoration_helpers import mode as mode_of

from invert import scans
from invert.errors import RequestError


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("alpha", [False, True])
def test_sixteen_bits_are_read_by_pillow_as_they_were_written(
    channels: int, alpha: bool, tmp_path: Path
) -> None:
    image = values(channels)
    cover = torch.linspace(0, 1, HEIGHT * WIDTH).view(1, 1, HEIGHT, WIDTH) if alpha else None
    file = tmp_path / "deep.png"
    file.write_bytes(scans.to_png(image, cover, deep=True))
    planes = torch.cat([image, cover], 1) if cover is not None else image
    whole = (planes[0].movedim(0, -1).double() * 65535).round().numpy()
    read = pixels(file)
    if channels == 1 and not alpha:
        assert np.array_equal(read, whole[..., 0])
    else:  # Pillow narrows them to 8 bits
        read = read[..., [0, -1]] if channels == 1 else read  # and takes grey with alpha for colour
        assert np.abs(read - whole / 257).max() <= 1
    again = scans.read(file)
    assert again.deep and torch.equal(again.pixels, (image.double() * 65535).round().float() / 65535)
    assert (again.alpha is None) != alpha


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_eight_bits_come_back_as_they_were(mode: str, picture: Callable[..., Path]) -> None:
    file = picture(mode)
    scan = scans.read(file)
    assert scan.pixels.shape == (1, 1 if mode.startswith("L") else 3, HEIGHT, WIDTH) and not scan.deep
    rewritten = file.with_name("again.png")
    rewritten.write_bytes(scans.to_png(scan.pixels, scan.alpha))
    assert mode_of(rewritten) == mode
    assert np.array_equal(pixels(rewritten), pixels(file))


def test_colours_under_transparency_are_kept(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (200, 10, 30, 0)).save(tmp_path / "x.png")
    scan = scans.read(tmp_path / "x.png")
    assert torch.equal(scan.pixels[0, :, 0, 0] * 255, torch.tensor([200.0, 10.0, 30.0]))
    assert scan.alpha is not None and not scan.alpha.any()


@pytest.mark.parametrize("cut", [40, 60, 120])
def test_a_deep_file_that_is_cut_off_is_one_line(cut: int, picture: Callable[..., Path]) -> None:
    file = picture("RGB16", width=40, height=40)
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(RequestError, match=r"photo\.png'"):
        scans.read(file)
