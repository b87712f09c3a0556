"""How small a feature error is for its layer, where the answer is known."""

from __future__ import annotations

import json
import math
import random
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

import invert
from invert.cli import main
from invert.measures.matched import Null, errors_between, still_falling, told, unreadable
from invert.objectives.feature_match import feature_error
from invert.photos import default_photo
from invert.subjects import Subject, load
from invert.sweeps.cells import Photo
from invert.sweeps.cells import choose_photos as photos_and_skipped
from invert.sweeps.folder import Folder
from invert.sweeps.nulls import Nulls
from invert.sweeps.request import Request

NULL = Null(tuple(0.5 + n / 100 for n in range(101)), "photos", 15)


def enough(error: float, null: Null = NULL) -> bool:
    match = null.match(error, None)
    assert match.enough == (error <= null.enough)
    return match.enough


# --- an error among the errors between unlike pictures ---------------------------------------------


def test_an_error_of_nothing_is_matched_and_that_of_unlike_pictures_is_not() -> None:
    assert enough(0.0) and enough(0.0999)
    assert not enough(0.1001) and not enough(0.5) and not enough(NULL.median) and not enough(3.0)


def test_decibels_are_below_the_median() -> None:
    assert NULL.median == 1.0
    assert [NULL.decibels(error) for error in (1.0, 0.1, 10.0)] == pytest.approx([0, 10, -10])
    assert NULL.decibels(0.0) == 100.0


def test_n_pairs_tell_of_no_less_than_one_in_n() -> None:
    assert NULL.percentile(0.0) == pytest.approx(100 / 102)
    assert NULL.percentile(0.5) == pytest.approx(200 / 102)
    assert NULL.percentile(9.0) == 100


def test_few_pairs_cannot_say_that_an_error_is_small() -> None:
    """Ten pairs tell of no less than one in eleven, which is more than 5 %."""
    assert not Null((1.0,) * 10, "photos", 5).match(0.001, None).enough


def test_where_unlike_pictures_can_be_as_near_ten_decibels_are_not_enough() -> None:
    near = Null((*(0.01,) * 20, *(1.0,) * 80), "photos", 15)
    assert near.decibels(0.02) > 10 and not enough(0.02, near)
    assert enough(0.009, near)


def test_words_say_as_much_as_the_pairs() -> None:
    match = NULL.match(0.00631, None)
    assert told(match) == "smaller than 100 % of 101 pairs of unlike photos, 22 dB"
    assert told(NULL.match(0.5, None)).startswith("smaller than 99 % of 101 pairs")
    assert told(NULL.match(9.0, None)).startswith("smaller than 0 % of 101 pairs")


@pytest.mark.parametrize(
    ("error", "falling", "words"),
    [
        (0.65, True, "0.65 is 1.9 dB below that between unlike photos (10 dB would do), and was still"),
        (0.65, False, "(10 dB would do), and had stopped falling"),
        (2.0, None, "feature error 2 is no nearer than that between unlike photos (10 dB would do)"),
    ],
)  # fmt: skip
def test_a_row_that_is_not_matched_says_how_far_it_is(error: float, falling: bool | None, words: str) -> None:
    sentence = unreadable(NULL.row_match([error], [NULL.match(error, falling)]))
    assert sentence.startswith("not matched well enough to be read: its ") and words in sentence


def test_errors_between_pictures_are_the_feature_error(own_network: str) -> None:
    """Of its two directions the smaller; each pair once; a picture's own error is 0."""
    subject = load(own_network, "random")
    pictures = torch.rand(9, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    features = subject.activations(pictures, ["relu"])["relu"]

    def between(i: int, j: int) -> float:
        both = [float(feature_error(features[a : a + 1], features[b : b + 1])) for a, b in ((i, j), (j, i))]
        return min(both)

    pairs = [(0, 1), (2, 8), (3, 3)]
    assert errors_between(subject, "relu", pictures, pairs) == pytest.approx(
        sorted(between(i, j) for i, j in pairs), abs=1e-5
    )


# --- whether the loss was still falling ------------------------------------------------------------

STEPS = 500


def noisy(loss: list[float], share: float, seed: int) -> list[float]:
    rng = random.Random(seed)
    return [value * math.exp(rng.gauss(0, share)) for value in loss]


POWER = [1 / math.sqrt(step) for step in range(1, STEPS + 1)]
CONVERGED = [0.05 + math.exp(-step / 30) for step in range(STEPS)]
SPIKES = [1.0 if step in (370, 380) else value for step, value in enumerate(CONVERGED)]


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.05])
def test_a_loss_that_falls_is_seen_through_noise(noise: float) -> None:
    assert all(still_falling(noisy(POWER, noise, seed)) for seed in range(20))


@pytest.mark.parametrize("loss", [[0.3] * STEPS, CONVERGED, SPIKES, POWER[::-1]])
def test_a_loss_that_has_come_to_rest_or_rises_is_not_falling(loss: list[float]) -> None:
    assert still_falling(loss) is False


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.5])
def test_noise_alone_does_not_fall(noise: float) -> None:
    falls = sum(bool(still_falling(noisy(CONVERGED, noise, seed))) for seed in range(200))
    assert falls <= 6


def test_a_run_that_reached_its_error_was_falling_when_it_was_stopped() -> None:
    assert still_falling([value for value in POWER if value > 0.1]) is True


def test_too_short_a_trace_tells_nothing() -> None:
    assert still_falling(POWER[:19]) is None and still_falling(POWER[:20]) is True
    assert still_falling([math.nan] * 100) is None


# --- which pictures --------------------------------------------------------------------------------


def choose_photos(request: Request, read: Callable[[str], Tensor]) -> list[Photo]:
    return photos_and_skipped(request, read)[0]


def nulls(subject: Subject, folder: Path, photos: list[Photo], directory: str | None = None) -> Nulls:
    return Nulls(subject, lambda: subject, photos, directory, Folder(folder))


def photos_of(folder: Path, count: int, seed: int = 0) -> Path:
    """Pictures of coloured noise, all different."""
    folder.mkdir()
    rng = torch.Generator().manual_seed(seed)
    for n in range(count):
        coarse = torch.rand(1, 3, 4, 4, generator=rng)
        pixels = torch.nn.functional.interpolate(coarse, (48, 48), mode="bilinear")[0]
        invert.images.save_png(pixels, folder / f"{n:02}.png")
    return folder


@pytest.mark.parametrize(
    ("own", "directory", "of", "pictures"),
    [(16, None, "photos", 16), (2, 20, "photos", 20), (2, 3, "crops", 40), (60, None, "photos", 40)],
)
def test_photos_where_there_are_enough_else_those_of_photos_else_crops(
    own: int, directory: int | None, of: str, pictures: int, own_network: str, tmp_path: Path
) -> None:
    request = Request(model=own_network, image=(str(photos_of(tmp_path / "own", own)),))
    subject = load(own_network, "random")
    other = None if directory is None else str(photos_of(tmp_path / "other", directory, 1))
    null = nulls(subject, tmp_path / "out", choose_photos(request, subject.image), other).of("relu")
    assert null is not None and (null.of, null.pictures) == (of, pictures)
    if of == "photos":
        assert len(null.errors) == pictures * (pictures - 1) // 2


def test_crops_of_one_photo_do_not_overlap(own_network: str, tmp_path: Path) -> None:
    """A picture that is redder to the right and greener downwards tells where each crop was cut."""
    across = torch.linspace(0, 1, 300).expand(300, 300)
    invert.images.save_png(torch.stack([across, across.T, 0 * across]), tmp_path / "where.png")
    subject = load(own_network, "random")
    photo = choose_photos(Request(model=own_network, image=(str(tmp_path / "where.png"),)), subject.image)
    made = nulls(subject, tmp_path / "out", photo)
    of, pictures, pairs = made._chosen()
    assert of == "crops" and 100 <= len(pairs) < 780
    at = pictures.mean((2, 3))[:, :2]
    assert all(float((at[i] - at[j]).abs().max()) > 0.32 for i, j in pairs)


def test_a_picture_without_anything_in_it_has_no_null(own_network: str, tmp_path: Path) -> None:
    Image.new("RGB", (60, 60), "gray").save(tmp_path / "flat.png")
    subject = load(own_network, "random")
    flat = choose_photos(Request(model=own_network, image=(str(tmp_path / "flat.png"),)), subject.image)
    assert nulls(subject, tmp_path / "out", flat).of("relu") is None


def test_it_is_computed_once_and_read_back(
    own_network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = load(own_network, "random")
    photo = choose_photos(Request(model=own_network, layer=("conv",)), subject.image)
    first = nulls(subject, tmp_path / "out", photo)
    made = first.of("relu")
    first.folder.close()
    monkeypatch.setattr("invert.sweeps.nulls.errors_between", None)
    again = nulls(subject, tmp_path / "out", photo)
    assert again.of("relu") == made
    again.folder.close()
    file = tmp_path / "out" / "nulls.json"
    known = json.loads(file.read_text())
    next(iter(known.values()))["errors"][0] = 9e9  # no longer in order: not what was written
    file.write_text(json.dumps(known))
    with pytest.warns(UserWarning, match="no errors between unlike pictures"):
        assert nulls(subject, tmp_path / "out", photo).of("relu") is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"pictures": float("inf")},
        {"errors": [10**400]},
        {"errors": [0.1, "nan"]},
        {"of": "\x1b[2J pictures that I like"},
    ],
)
def test_what_this_does_not_write_is_computed_anew(
    wrong: dict[str, Any], own_network: str, tmp_path: Path
) -> None:
    subject = load(own_network, "random")
    photo = choose_photos(Request(model=own_network, layer=("conv",)), subject.image)
    first = nulls(subject, tmp_path / "out", photo)
    made = first.of("relu")
    first.folder.close()
    file = tmp_path / "out" / "nulls.json"
    known = json.loads(file.read_text())
    next(iter(known.values())).update(wrong)
    file.write_text(json.dumps(known))
    assert nulls(subject, tmp_path / "out", photo).of("relu") == made


# --- on a real network -----------------------------------------------------------------------------

LAYERS = ("features.3", "features.7", "features.12")


@pytest.fixture(scope="module")
def squeezenet(shared: Path) -> Subject:
    return load("squeezenet1_1", str(shared / "weights" / "squeezenet1_1.safetensors"))


@pytest.fixture(scope="module")
def real(squeezenet: Subject, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Null]:
    photo = choose_photos(Request(model="squeezenet1_1", layer=LAYERS), squeezenet.image)
    made = nulls(squeezenet, tmp_path_factory.mktemp("real"), photo)
    return {layer: null for layer in LAYERS if (null := made.of(layer)) is not None}


def errors_of(subject: Subject, picture: Tensor, photo: Tensor) -> dict[str, float]:
    with torch.no_grad():
        seen, wanted = (subject.activations(image, LAYERS) for image in (picture, photo))
    return {layer: float(feature_error(seen[layer], wanted[layer])) for layer in LAYERS}


@pytest.mark.parametrize(("error", "matched"), [(0.0, True), (0.02, True), (0.65, False)])
def test_on_squeezenet_002_is_matched_and_065_is_not(
    error: float, matched: bool, real: dict[str, Null]
) -> None:
    assert {layer: enough(error, null) for layer, null in real.items()} == dict.fromkeys(LAYERS, matched)


def test_on_squeezenet_what_lacks_something_visible_is_not_matched(
    squeezenet: Subject, real: dict[str, Null]
) -> None:
    """So where a row is matched, what its pictures lack the layer does not hold."""
    photo = squeezenet.image(default_photo())
    noise = torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    unmatched = {
        "another picture": photo.flip(-2),
        "the start": (0.5 + 0.05 * noise).clamp(0, 1),
        "grey": torch.full_like(photo, 0.5),
        "half the contrast": (photo + 0.5) / 2,
        "moved": photo.roll(4, -1),
        "blurred": torch.nn.functional.avg_pool2d(photo, 9, 1, 4, count_include_pad=False),
    }
    for what, picture in unmatched.items():
        errors = errors_of(squeezenet, picture, photo)
        assert not any(enough(errors[layer], real[layer]) for layer in LAYERS), (what, errors)
    nearly = (photo + 0.002 * noise).clamp(0, 1)
    errors = errors_of(squeezenet, nearly, photo)
    assert all(enough(errors[layer], real[layer]) for layer in LAYERS), errors


# --- what a study says -----------------------------------------------------------------------------


def study(model: str, out: Path, *more: str) -> dict[str, Any]:
    words = [model, "--layer", "conv", "--prior", "none", "--seeds", "2", "--device", "cpu"]
    assert main([*words, *more, "--out", str(out)]) == 0
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    return report


def test_a_row_ended_too_soon_says_so_and_its_command_goes_on(
    own_network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A setting of another prior would make the command of one row a bad request.
    more = ("--prior", "none,tv", "--set", "tv.weight=0.3", "--set", "none.learning_rate=0.004")
    report = study(own_network, tmp_path / "soon", "--steps", "30", *more)
    row = report["layers"][0]
    assert row["match"]["enough"] is False and row["match"]["falling"] is True
    assert row["reading"].startswith("not matched well enough to be read")
    assert [run["match"]["enough"] for run in report["runs"]][:2] == [False, False]
    output = capsys.readouterr()
    printed = output.err
    assert row["reading"] in output.out and row["match"]["command"] in printed
    assert "% of" in printed and "pairs of unlike crops" in printed

    monkeypatch.chdir(tmp_path)
    command = shlex.split(row["match"]["command"])
    assert command[0] == "invert" and command[command.index("--steps") + 1] == "120"
    assert main([*command[1:], "--out", "on", "--quiet"]) in (0,)
    on = json.loads(Path("on/report.json").read_text())
    assert [(r["layer"], r["prior"], r["seeds"]) for r in on["layers"]] == [("conv", "none", 2)]
    assert on["layers"][0]["match"]["snr_db"] > row["match"]["snr_db"]


def test_a_row_that_is_matched_is_read(own_network: str, tmp_path: Path) -> None:
    report = study(own_network, tmp_path / "out", "--steps", "300")
    (row,) = report["layers"]
    assert row["match"]["enough"] is True and row["match"]["command"] is None
    assert row["reading"].startswith("keeps")
    assert (row["match"]["runs"], row["match"]["matched"]) == (2, 2)
    assert row["match"]["error"] == max(run["feature_error"] for run in report["runs"])
    null = report["nulls"]["conv"]
    assert null["of"] == "crops" and null["pictures"] == 40 and null["least"] < null["median"]
    assert row["match"]["error"] <= null["enough"] < null["median"]


def test_stopped_by_an_error_asked_for_it_goes_on_without_it(own_network: str, tmp_path: Path) -> None:
    (row,) = study(own_network, tmp_path / "out", "--steps", "300", "--until", "0.5")["layers"]
    words = shlex.split(row["match"]["command"])
    assert "--until" not in words and words[words.index("--steps") + 1] == "300"


def test_the_page_fades_a_row_that_is_not_matched_and_shows_the_command(
    own_network: str, tmp_path: Path
) -> None:
    soon, late = tmp_path / "soon", tmp_path / "late"
    report = study(own_network, soon, "--steps", "20", "--set", "none.learning_rate=0.004")
    study(own_network, late, "--steps", "300")
    page = (soon / "report.html").read_text()
    assert 'class="shares unmatched"' in page and report["layers"][0]["match"]["command"] in page
    assert "dB (too little)" in page and "pairs of unlike crops" in page
    assert "not matched well enough to be read" in page
    page = (late / "report.html").read_text()
    assert 'class="shares"' in page and "unmatched" not in page.partition("<body")[2]
    assert "too little" not in page
