"""What cannot be restored is refused in one line, before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from restoration_helpers import HEIGHT, WIDTH

from invert.sweeps import restoration_sweep

Refused = Callable[..., str]
Picture = Callable[..., Path]


def grey(file: Path, level: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Path:
    Image.new("L", size, level).save(file)
    return file


def test_a_mask_of_another_size(refused: Refused, picture: Picture, tmp_path: Path) -> None:
    mask = grey(tmp_path / "mask.png", 255, (5, 6))
    told = refused("inpaint", picture(), "--mask", mask)
    assert "mask.png is 5 × 6, the picture 13 × 7: a mask is as large as its picture" in told


@pytest.mark.parametrize(
    ("level", "reason"),
    [
        (0, "no pixel is missing (white is what is missing)"),
        (255, "every pixel is missing: nothing is known"),
    ],
)
def test_an_empty_mask_and_a_full_one(
    level: int, reason: str, refused: Refused, picture: Picture, tmp_path: Path
) -> None:
    told = refused("inpaint", picture(), "--mask", grey(tmp_path / "mask.png", level))
    assert "mask.png" in told and reason in told


@pytest.mark.parametrize(
    ("alpha", "reason"),
    [(255, "no pixel is missing (transparent is what is missing)"), (0, "every pixel is missing")],
)
def test_a_picture_that_is_transparent_nowhere_or_everywhere(
    alpha: int, reason: str, refused: Refused, tmp_path: Path
) -> None:
    Image.new("RGBA", (WIDTH, HEIGHT), (9, 99, 199, alpha)).save(tmp_path / "a.png")
    assert reason in refused("inpaint", tmp_path / "a.png")


def test_a_picture_of_which_nobody_says_what_is_missing(refused: Refused, picture: Picture) -> None:
    told = refused("inpaint", picture("RGB"))
    assert "what is missing? Name a picture that is white there (--mask FILE)" in told


@pytest.mark.parametrize("factor", ["1", "17", "3.5", "-2", "two", "0"])
def test_a_factor_that_is_no_whole_number_from_2_to_16(
    factor: str, refused: Refused, picture: Picture
) -> None:
    told = refused("upscale", picture(), f"--factor={factor}")
    assert f"'{factor}' is not a whole number of 2 or more and at most 16" in told


@pytest.mark.parametrize("sigma", ["-1", "-0.001", "nan", "256", "much"])
def test_a_sigma_below_0(sigma: str, refused: Refused, picture: Picture) -> None:
    told = refused("denoise", picture(), f"--sigma={sigma}")
    assert f"'{sigma}' is not auto, nor a number from 0 to 255" in told


def test_a_flash_picture_of_another_size_and_none(refused: Refused, picture: Picture, tmp_path: Path) -> None:
    flash = grey(tmp_path / "flash.png", 200, (WIDTH + 1, HEIGHT))
    told = refused("flash", picture(), "--flash", flash)
    assert "flash.png is 14 × 7" in told and "a flash picture is as large as the other" in told
    assert "--flash FILE" in refused("flash", picture())


@pytest.mark.parametrize(
    ("task", "words"), [("denoise", ["--sigma", 25]), ("upscale", ["--factor", 2]), ("inpaint", [])]
)
def test_a_truth_that_does_not_fit(
    task: str, words: list[object], refused: Refused, picture: Picture, tmp_path: Path
) -> None:
    known = np.zeros((HEIGHT, WIDTH), np.uint8)
    known[0, 0] = 255
    Image.fromarray(known).save(tmp_path / "mask.png")
    words = [*words, "--mask", tmp_path / "mask.png"] if task == "inpaint" else words
    told = refused(task, picture("RGB"), *words, "--truth", picture("RGB", "truth", 30, 40))
    assert "the truth is 30 × 40" in told
    told = refused(task, picture("RGB"), *words, "--truth", picture("L", "truth"))
    assert "the truth is 13 × 7 (grey)" in told


def test_a_corrupt_jpeg(refused: Refused, tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(file)
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"\xff\xd8\xff\xe0 no jpeg", b""):
        file.write_bytes(content)
        for task in ("jpeg", "denoise"):
            assert "photo.jpg" in refused(task, file)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["denoise", "FILE", "--factor", 2], "denoise takes no --factor (its options: --sigma)"),
        (["upscale", "FILE", "--mask", "FILE"], "upscale takes no --mask (its options: --factor)"),
        (["inpaint", "FILE", "--share", 0.5], "add --simulate"),
        (["inpaint", "FILE", "--share", 1, "--simulate"], "'1' is not a number between 0 and 1"),
        (["denoise", "FILE", "--simulate", "--truth", "FILE"], "leave --truth out"),
        (["denois", "FILE"], "did you mean denoise?"),
        (["FILE"], "FILE is missing"),
        (["denoise"], "FILE is missing: name the pictures to restore"),
        (["denoise", "FILE", "--set", "tv.weight=1"], "--set names 'tv', which is not used here"),
        (["denoise", "FILE", "--stop", "never,wmv"], "--stop never stands alone"),
        (
            ["denoise", "FILE", "--sigma", 0, "--stop", "discrepancy"],
            "discrepancy asks how large the noise is",
        ),
        (["denoise", "nowhere.png"], "nowhere.png"),
        (
            ["projections", "FILE", "--set", "projections.count=100"],
            "--simulate makes it from a clean picture",
        ),
        (["denoise", "FILE", "--layer", "fc6"], "--layer"),
    ],
)
def test_what_was_said_does_not_fit(
    words: list[object], reason: str, refused: Refused, picture: Picture
) -> None:
    file = picture("RGB")
    assert reason in refused(*(file if word == "FILE" else word for word in words))


def test_what_does_not_fit_into_memory(
    refused: Refused, picture: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restoration_sweep, "free", lambda _: 2_000.0)
    told = refused("denoise", picture("RGB", width=30, height=20), "--sigma", 5)
    assert "30 × 20 takes about 0.0 GB under none, and 0.0 GB are free: at most about" in told
