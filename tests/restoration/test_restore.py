"""What `invert restore` writes, where the answer is known."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from restoration_helpers import HEIGHT, WIDTH, pixels, values
from restoration_helpers import mode as mode_of

from invert import scans
from invert.cli import main
from invert.cli.restore import parsed
from invert.errors import RequestError
from invert.operators import jpeg_file
from invert.sweeps.cells import Cell, plan_restoration
from invert.sweeps.restoration import Restoration
from invert.sweeps.worker import CellFinished, Task, Worker

Restore = Callable[..., dict[str, Any]]
Picture = Callable[..., Path]


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "P", "L16", "LA16", "RGB16", "RGBA16"])
def test_where_nothing_is_wrong_the_file_that_comes_out_is_the_one_that_came_in(
    mode: str, picture: Picture, restore: Restore, tmp_path: Path
) -> None:
    """Of no noise, what was observed is the answer: any size, depth and mode."""
    file = picture(mode)
    report = restore("denoise", file, "--sigma", 0)
    assert report["status"] == "done" and report["subject"] is None
    came_in, came_out = scans.read(file), scans.read(tmp_path / "out" / "photo.png")
    assert came_out.deep == mode.endswith("16")
    assert torch.equal(came_in.pixels, came_out.pixels)
    assert (came_in.alpha is None) == (came_out.alpha is None)
    if came_in.alpha is not None and came_out.alpha is not None:
        assert torch.equal(came_in.alpha, came_out.alpha)
    if mode in ("L", "LA", "RGB", "RGBA"):
        assert mode_of(tmp_path / "out" / "photo.png") == mode


def test_what_is_known_is_put_back_and_the_hole_is_filled(
    picture: Picture, restore: Restore, tmp_path: Path
) -> None:
    file = picture("RGB")
    hole = np.zeros((HEIGHT, WIDTH), np.uint8)
    hole[2:4, 3:6] = 255
    Image.fromarray(hole).save(tmp_path / "mask.png")
    damaged = pixels(file).copy()
    damaged[hole > 0] = (255, 0, 255)
    Image.fromarray(damaged).save(tmp_path / "damaged.png")
    report = restore("inpaint", tmp_path / "damaged.png", "--mask", tmp_path / "mask.png", "--truth", file)
    result = pixels(tmp_path / "out" / "damaged.png")
    assert np.array_equal(result[hole == 0], pixels(file)[hole == 0])
    assert not np.array_equal(result[hole > 0], damaged[hole > 0])
    (run,) = report["runs"]
    assert run["observed"]["operator"] == "mask"
    alone = pixels(tmp_path / "out" / run["files"]["image"])
    assert np.array_equal(alone[hole == 0], pixels(file)[hole == 0])
    assert report["images"][0]["about"] == f"{100 * 6 / (WIDTH * HEIGHT):.1f} % of the pixels are missing"
    missing = ((result.astype(float) - pixels(file)) / 255)[hole > 0]
    (row,) = report["layers"]
    told = row["by_photo"]["damaged"]["restored"]["measures"]["psnr_missing"]
    assert told == pytest.approx(-10 * np.log10(np.square(missing).mean()), abs=0.1)


def test_a_picture_with_transparency_is_its_own_mask(restore: Restore, tmp_path: Path) -> None:
    image = values(3)
    alpha = torch.ones(1, 1, HEIGHT, WIDTH)
    alpha[..., 2:5, 2:5] = 0
    (tmp_path / "holed.png").write_bytes(scans.to_png(image, alpha))
    restore("inpaint", tmp_path / "holed.png")
    result = scans.read(tmp_path / "out" / "holed.png")
    assert result.alpha is not None and result.alpha.min() == 1  # nothing is missing any more
    known = alpha.bool().expand(-1, 3, -1, -1)
    assert torch.equal(result.pixels[known], scans.read(tmp_path / "holed.png").pixels[known])


def test_a_larger_picture_is_the_one_that_came_in_when_it_is_made_smaller(
    picture: Picture, restore: Restore, tmp_path: Path
) -> None:
    file = picture("RGBA", width=9, height=6)
    restore("upscale", file, "--factor", 3, "--prior", "tv", "--steps", 30)
    result = Image.fromarray(pixels(tmp_path / "out" / "photo.png"))
    assert result.size == (27, 18) and result.mode == "RGBA"
    smaller = np.asarray(result.convert("RGB").resize((9, 6), Image.Resampling.LANCZOS), dtype=float)
    assert np.abs(smaller - pixels(file)[..., :3]).max() <= 2


def test_a_floor_that_is_perfect_is_seen(restore: Restore, tmp_path: Path) -> None:
    """Where a smooth filling is the truth, the method of a second says so, in the report and on the page."""
    Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 150)).save(tmp_path / "flat.png")
    report = restore("inpaint", tmp_path / "flat.png", "--simulate", "--share", 0.3)
    (picture,) = report["images"]
    (floor,) = picture["floors"]
    assert floor["method"] == "biharmonic" and floor["measures"]["psnr_missing"] > 60
    assert np.abs(pixels(tmp_path / "out" / floor["file"]).astype(int) - (90, 120, 150)).max() <= 1
    reading = report["layers"][0]["by_photo"]["flat"]["reading"]
    assert "WORSE than biharmonic" in reading
    assert "is better than all that is here" in (tmp_path / "out" / "report.html").read_text()


def test_several_seeds_come_to_their_mean_and_a_map_of_where_they_differ(
    picture: Picture, restore: Restore, tmp_path: Path
) -> None:
    """Under noise of any size nothing is put back, so that the mean is plain."""
    report = restore("denoise", picture("RGB"), "--sigma", 255, "--seeds", 3, "--stop", "never")
    out = tmp_path / "out"
    seeds = np.stack([pixels(out / run["files"]["image"]).astype(float) for run in report["runs"]])
    assert len(seeds) == 3
    assert np.abs(pixels(out / "photo.png") - seeds.mean(0)).max() <= 0.51
    restored = report["layers"][0]["by_photo"]["photo"]["restored"]
    spread = np.sqrt(seeds.var(0, ddof=1).mean(-1))
    assert restored["seeds"] == 3
    assert restored["largest"] == pytest.approx(spread.max(), rel=0.01)
    assert restored["spread"] == pytest.approx(np.sqrt(np.square(spread).mean()), rel=0.01)
    shown = pixels(out / restored["uncertainty"]) / 255 * spread.max()
    assert np.abs(shown - spread).max() < spread.max() / 100


def test_what_is_simulated_is_measured_by_its_truth_and_is_the_same_again(
    picture: Picture, restore: Restore, tmp_path: Path
) -> None:
    file = picture("RGB", width=40, height=33)
    words = ("denoise", file, "--simulate", "--sigma", 20, "--stop", "never", "--steps", 6)
    first = restore(*words, out="a")
    restore(*words, out="b")
    restore(*words, "--draw", 1, out="c")
    noisy = [pixels(tmp_path / out / "images/observed/photo.png").astype(float) for out in "abc"]
    assert np.array_equal(noisy[0], noisy[1]) and not np.array_equal(noisy[0], noisy[2])
    assert np.std(noisy[0] - pixels(file)) == pytest.approx(20, rel=0.1)
    assert np.array_equal(pixels(tmp_path / "a/images/photo.png"), pixels(file))
    (run,) = first["runs"]
    trace = json.loads((tmp_path / "a" / run["files"]["trace"]).read_text())
    assert len(trace["psnr"]) == len(trace["loss"]) == 6
    # What would have been the result at the last step is what the result was:
    assert trace["psnr"][-1] == pytest.approx(run["measures"]["psnr"], abs=0.1)
    assert run["layer"] == "denoise, σ 20" and run["objective"] == "restoration"


def test_noise_is_estimated_where_nobody_says_how_much(
    picture: Picture, restore: Restore, tmp_path: Path
) -> None:
    clean = pixels(picture("RGB", width=60, height=60)).astype(float)
    noisy = clean + np.random.default_rng(0).normal(0, 15, clean.shape)
    Image.fromarray(noisy.clip(0, 255).round().astype(np.uint8)).save(tmp_path / "noisy.png")
    (run,) = restore("denoise", tmp_path / "noisy.png")["runs"]
    assert 255 * run["observed"]["settings"]["sigma"] == pytest.approx(15, rel=0.15)
    assert "estimated from the picture" in (tmp_path / "out" / "report.html").read_text()
    assert run["measures"]["psnr"] is None and run["measures"]["residual_level"] is not None


def test_files_come_with_what_belongs_to_each(picture: Picture, restore: Restore, tmp_path: Path) -> None:
    a, b = picture("L", "a"), picture("RGB", "b", 20, 10)
    report = restore("denoise", a, b, "--sigma", 0, "--truth", a, "--truth", b, "--prior", "none,tv")
    assert [(run["image"], run["prior"]) for run in report["runs"]] == [
        (name, prior) for prior in ("none", "tv") for name in ("a", "b")
    ]
    assert {run["measures"]["psnr"] for run in report["runs"]} == {100.0}
    written = {"a.png", "b.png", "a-tv.png", "b-tv.png"}
    assert written <= {file.name for file in (tmp_path / "out").iterdir()}


def test_more_seeds_priors_and_files_are_added_and_nothing_else(
    picture: Picture, restore: Restore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = picture("RGB", "a"), picture("RGB", "b")
    Image.fromarray((np.arange(WIDTH * HEIGHT).reshape(HEIGHT, WIDTH) % 3 == 0).astype(np.uint8) * 255).save(
        tmp_path / "mask.png"
    )
    restore("inpaint", a, "--mask", tmp_path / "mask.png")
    first = (tmp_path / "out/runs/inpaint-none-a-s0/image.png").stat().st_mtime_ns
    report = restore("--resume", tmp_path / "out", "--seeds", 2)
    assert [run["seed"] for run in report["runs"]] == [0, 1]
    report = restore("inpaint", b, "--mask", tmp_path / "mask.png", "--resume", tmp_path / "out")
    assert [(run["image"], run["seed"]) for run in report["runs"]] == [
        ("a", 0), ("a", 1), ("b", 0), ("b", 1),
    ]  # fmt: skip
    assert (tmp_path / "out/runs/inpaint-none-a-s0/image.png").stat().st_mtime_ns == first
    capsys.readouterr()
    again = ["restore", "--resume", str(tmp_path / "out")]
    assert main([*again, "--mask", str(b)]) == 2
    assert "was made by another request: mask was" in capsys.readouterr().err
    assert main(["--resume", str(tmp_path / "out")]) == 2
    assert "invert restore --resume" in capsys.readouterr().err
    Image.new("RGB", (WIDTH, HEIGHT), "white").save(a)
    assert main(again) == 2
    assert "sha256 of the file" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        "denoise a.png",
        "denoise a.png b.png --sigma auto --seeds 3 --prior dip,tv --set dip.steps=5",
        "denoise a.png --sigma 12.5 --stop never --device cpu",
        "inpaint a.png --mask m.png --truth t.png --steps 7 --seeds 2,5",
        "inpaint --simulate --share 0.25 --draw 3 -- -a.png",
        "upscale --factor 8 a.png --simulate",
        "jpeg a.jpg --quality 20 --simulate",
        "crop a.png --set crop.side=8",
    ],
)
def test_a_command_asks_for_what_it_was_asked_for(words: str) -> None:
    request, *_ = parsed(shlex.split(words))
    command = shlex.split(request.command())
    assert command[:2] == ["invert", "restore"]
    assert parsed(command[2:])[0] == request
    assert Restoration.from_json(json.loads(json.dumps(request.as_json()))) == request


def test_a_cell_is_json_and_all_that_a_worker_needs(picture: Picture) -> None:
    request = Restoration(
        task="inpaint", file=(str(picture("RGB")),), simulate=True, prior=("none",), steps=2, device="cpu"
    )
    (cell,) = plan_restoration(request, ["photo"])
    sent = Cell.from_json(json.loads(json.dumps(cell.as_json())))
    assert sent == cell
    events = list(Worker().solve(Task([sent])))
    (finished,) = (event for event in events if isinstance(event, CellFinished))
    assert finished.record.error is None and finished.record.observed is not None


def test_a_file_named_twice_or_with_too_few_truths_is_refused() -> None:
    with pytest.raises(RequestError, match="comes twice"):
        Restoration(task="denoise", file=("a.png", "a.png"))
    with pytest.raises(RequestError, match="name one for each"):
        Restoration(task="denoise", file=("a.png", "b.png"), truth=("t.png",))


def test_the_generator_draws_from_the_flash_picture(
    picture: Picture, restore: Restore, tmp_path: Path
) -> None:
    dark, flash = picture("RGB", "dark", 160, 140), picture("RGB", "flash", 160, 140)
    report = restore("flash", dark, "--flash", flash, "--prior", "dip", "--steps", 2)
    (run,) = report["runs"]
    assert run["error"] is None and run["settings"]["input_file"] == str(flash)
    assert run["settings"]["input_noise"] == 0
    assert pixels(tmp_path / "out" / "dark.png").shape == (140, 160, 3)


@pytest.mark.parametrize("simulate", [False, True])
def test_a_jpeg_comes_back_within_what_its_file_says(
    simulate: bool, picture: Picture, restore: Restore, tmp_path: Path
) -> None:
    clean = picture("RGB", width=40, height=32)
    file = tmp_path / "stored.jpg"
    with Image.open(clean) as image:
        image.save(file, quality=10)
    words = (clean, "--simulate", "--quality", 10) if simulate else (file, "--truth", clean)
    report = restore("jpeg", *words, "--prior", "none")
    (run,) = report["runs"]
    assert run["error"] is None and run["observed"]["operator"] == "jpeg"
    again = tmp_path / "again.jpg"
    with Image.open(tmp_path / "out" / f"{'photo' if simulate else 'stored'}.png") as result:
        result.save(again, quality=10)
    own, mine = (jpeg_file.read(str(each)).levels for each in (file, again))
    wrong = sum(int((a != b).sum()) for a, b in zip(own, mine, strict=True))
    assert wrong <= 0.01 * sum(levels.numel() for levels in own)
