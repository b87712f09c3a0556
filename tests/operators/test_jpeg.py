"""A picture as a JPEG holds it, against Pillow, which wrote the file."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

import invert
from invert import images
from invert.errors import RequestError
from invert.operators import jpeg_file
from invert.operators.jpeg import Stored, levels
from invert.photos import default_photo


@pytest.fixture
def photo() -> Tensor:
    """With no black and no white, which clipping would make other coefficients of."""
    return 0.2 + 0.6 * images.to_float(default_photo())[:, :, 40:133, 30:151]


def picture(image: Tensor) -> Image.Image:
    return Image.open(io.BytesIO(images.to_png(image)))


def stored(photo: Tensor, tmp_path: Path, grey: bool = False, subsampling: int = 2) -> tuple[str, Tensor]:
    """A file of quality 10, and how Pillow decodes it."""
    file = tmp_path / "photo.jpg"
    picture(photo).convert("L" if grey else "RGB").save(file, quality=10, subsampling=subsampling)
    return str(file), images.to_float(str(file))


def bound(file: str, decoded: Tensor) -> tuple[invert.Observation, Stored]:
    known = invert.Observation(invert.operator("jpeg", file=file), observed=decoded).bind(None)
    assert isinstance(known.observer, Stored)
    return known, known.observer


def psnr(a: Tensor, b: Tensor) -> float:
    return -10 * float((a - b).square().mean().log10())


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_it_is_decoded_as_pillow_does(photo: Tensor, tmp_path: Path, subsampling: int) -> None:
    file, decoded = stored(photo, tmp_path, subsampling=subsampling)
    known, _ = bound(file, decoded)
    assert psnr(known.seen, decoded) > 48, "but for rounding"
    assert psnr(decoded, photo) < 35


@pytest.mark.parametrize("grey", [False, True])
def test_the_picture_itself_agrees_with_its_file(photo: Tensor, tmp_path: Path, grey: bool) -> None:
    known, _ = bound(*stored(photo, tmp_path, grey))
    clean = picture(photo).convert("L" if grey else "RGB").convert("RGB")
    assert float(known.error(images.to_float(clean), {})) < 1e-5
    assert float(known.error(photo.flip(3), {})) > 1e-3, "another picture does not"


@pytest.mark.parametrize("grey", [False, True])
def test_what_agrees_is_stored_as_the_file_is(photo: Tensor, tmp_path: Path, grey: bool) -> None:
    """Written as a JPEG with the file's tables by Pillow, the result comes to the file's own coefficients."""
    file, decoded = stored(photo, tmp_path, grey)
    known, observer = bound(file, decoded)
    blurred = F.avg_pool2d(F.pad(decoded, (1, 1, 1, 1), mode="replicate"), 3, 1)
    before = jpeg_file.read(file)
    assert any(
        (a.flatten() != b).any() for a, b in zip(before.levels, levels(observer, blurred), strict=False)
    )
    agreed = known.consistent(blurred)
    whole = images.to_float(picture(agreed))  # as an 8-bit file holds it
    again = tmp_path / "again.jpg"
    with Image.open(file) as first:
        tables = first.quantization  # type: ignore[attr-defined]
    picture(whole).convert("L" if grey else "RGB").save(again, qtables=tables, subsampling=2)
    for mine, own in zip(jpeg_file.read(str(again)).levels, before.levels, strict=True):
        assert (mine != own).double().mean() < 1e-3
    clean = images.to_float(picture(photo).convert("L" if grey else "RGB").convert("RGB"))
    assert psnr(agreed, clean) > psnr(decoded, clean) + 0.2


def test_without_jpeglib_nearly_all_coefficients_are_found(
    photo: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, _ = stored(photo, tmp_path)
    own = jpeg_file.read(file).levels
    monkeypatch.setattr(jpeg_file, "find_spec", lambda name: None)
    found = jpeg_file.read(file).levels
    wrong = sum(int((a != b).sum()) for a, b in zip(found, own, strict=True))
    assert wrong < 0.01 * sum(levels.numel() for levels in own), "but at the edges of small planes"


def test_of_a_photo_it_is_what_a_file_of_that_quality_would_hold(photo: Tensor, tmp_path: Path) -> None:
    simulated = invert.Observation(invert.operator("jpeg", quality=10), photo).bind(None)
    known, _ = bound(*stored(photo, tmp_path))
    assert simulated.target is not None and known.target is not None
    assert torch.equal(simulated.target, known.target)


def test_what_cannot_be_read(photo: Tensor, tmp_path: Path) -> None:
    file, decoded = stored(photo, tmp_path)
    with pytest.raises(
        RequestError, match=r"photo\.jpg is 121 × 93 of 3 components, the picture 121 × 92 of 3"
    ):
        invert.Observation(invert.operator("jpeg", file=file), decoded[:, :, 1:]).bind(None)
    exif = Image.Exif()
    exif[274] = 6
    picture(photo).save(file, exif=exif)
    with pytest.raises(RequestError, match=r"stored turned \(EXIF orientation 6\)"):
        bound(file, decoded)
    Path(file).write_bytes(images.to_png(photo))
    with pytest.raises(RequestError, match="no JPEG that can be read"):
        bound(file, decoded)
    with pytest.raises(RequestError, match="quality is 0"):
        invert.operator("jpeg", quality=0)


def test_sliding_cosines_come_nearer_and_still_agree(photo: Tensor, tmp_path: Path) -> None:
    file, decoded = stored(photo, tmp_path)
    known = invert.Observation(invert.operator("jpeg", file=file, cosines=1.0), observed=decoded).bind(None)
    found = known.finished(torch.full_like(decoded, 0.5))
    clean = images.to_float(picture(photo))
    assert psnr(found, clean) > psnr(decoded, clean) + 0.3
    assert float(known.error(found, {})) < 1e-6
    with pytest.raises(RequestError, match="cosines is 2"):
        invert.operator("jpeg", cosines=2.0)
