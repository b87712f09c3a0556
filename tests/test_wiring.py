"""Pieces that work by themselves and must be connected: each test goes red where a wire is cut.

`benchmarks/mutants.py` cuts them, one at a time.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import invert
from invert.cli import main
from invert.images import to_png
from invert.measures import Evidence, RowEvidence
from invert.measures.class_kept import ClassDivergence
from invert.measures.decomposition import kept_map
from invert.measures.identity import IdentityKept
from invert.photos import default_photo
from invert.subjects.attribution import attribution_map, overlay
from invert.testing import tiny_subject

RED_OR_BLUE = """
import torch
from torch import nn

SIZE, MEAN, STD, CLASSES = 32, (0, 0, 0), (1, 1, 1), ("red", "blue")

def net():
    network = nn.Sequential(
        nn.Conv2d(3, 3, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 1024, 2, bias=False)
    )
    red, blue = torch.zeros(2, 3, 32, 32)
    red[0], blue[2] = 0.1, 0.1
    with torch.no_grad():
        network[0].weight.copy_(torch.eye(3)[..., None, None])
        network[3].weight.copy_(torch.stack([red.flatten(), blue.flatten()]))
    return network
"""
"""Its first class is how red the picture is, its second how blue; layer `0` keeps all of it."""

Report = dict[str, Any]


def picture(seed: int) -> Tensor:
    """Coarse noise `(3, 32, 32)`, another in each channel; the blue one is the brightest."""
    coarse = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    fine = nn.functional.interpolate(coarse, (32, 32), mode="bilinear")[0]
    return 0.7 * fine + torch.tensor([0.0, 0.15, 0.3])[:, None, None]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photos, two seeds, nothing lost, the network its own judge."""
    folder = tmp_path_factory.mktemp("study")
    network = folder / "network.py"
    network.write_text(RED_OR_BLUE)
    for seed in range(2):
        (folder / f"photo{seed}.png").write_bytes(to_png(picture(seed)))
    words = [f"{network}:net", "--layer", "0", "--prior", "none", "--steps", "150", "--seeds", "2"]
    words += [word for seed in range(2) for word in ("--image", str(folder / f"photo{seed}.png"))]
    words += ["--judge", f"{network}:net", "--out", str(folder / "out"), "--quiet"]
    assert main(words) == 0
    return folder


@pytest.fixture(scope="module")
def report(study: Path) -> Report:
    read: Report = json.loads((study / "out" / "report.json").read_text())
    return read


@pytest.fixture(scope="module")
def row(report: Report) -> Report:
    (only,) = report["layers"]
    return dict(only)


def shown(path: Path) -> Tensor:
    """A picture of a run, `(1, 3, H, W)` in [0, 1]."""
    with Image.open(path) as file:
        return torch.from_numpy(np.asarray(file.convert("RGB")).copy()).permute(2, 0, 1)[None] / 255


# The loop


def second_picture(**settings: float) -> Tensor:
    """How far the first step moves the picture."""
    prior = invert.prior("none", learning_rate=0.1, **settings)
    match = invert.FeatureMatch("conv", default_photo())
    first, second = (
        invert.run(tiny_subject(), match, prior, steps=2, seed=0, precision="fp32", **more)  # type: ignore[arg-type]
        for more in ({"until": 1e6}, {})
    )
    assert first.steps == 1
    return (second.last - first.last).abs().mean()


def test_the_rate_follows_the_schedule() -> None:
    """Adam's first step is as long as its rate, which a warm-up begins at a hundredth."""
    constant, warming = second_picture(), second_picture(warmup=0.9)
    assert float(warming / constant) == pytest.approx(0.01, rel=0.2)


def test_the_rate_decays() -> None:
    """The same start, but the rate of the second step is no longer that of the first."""
    match = invert.FeatureMatch("conv", default_photo())
    ends = [
        invert.run(tiny_subject(), match, invert.prior("none", decay=decay), steps=40, precision="fp32").last
        for decay in (1.0, 0.01)
    ]
    assert not torch.allclose(ends[0], ends[1], atol=1e-3)


def test_a_result_is_the_best_picture_and_not_the_last() -> None:
    """A rate so large that it jumps about."""
    match = invert.FeatureMatch("conv", default_photo())
    prior = invert.prior("none", learning_rate=8.0)
    result = invert.run(tiny_subject(), match, prior, steps=12, precision="fp32")
    assert float(result.loss[-1]) > 1.05 * float(result.loss.min()), "it did not overshoot: choose another"
    assert result.feature_error == pytest.approx(float(result.loss.min()), rel=1e-3)
    assert not torch.equal(result.image, result.last)


def test_patience_asks_for_a_percent_and_not_for_any_fall() -> None:
    match = invert.FeatureMatch("conv", default_photo())
    prior = invert.prior("none", learning_rate=1e-4)
    result = invert.run(tiny_subject(), match, prior, steps=60, patience=10, precision="fp32")
    assert bool((result.loss.diff() < 0).all()), "the loss fell at every step"
    assert result.stopped == "plateau"
    assert result.steps <= 12


def test_among_noisy_losses_the_running_mean_chooses() -> None:
    """Random views make a single loss a lucky draw."""
    subject = tiny_subject()
    prior = invert.prior("none", learning_rate=0.02)
    for seed in range(6):
        result = invert.run(subject, invert.ClassScore(1), prior, steps=30, seed=seed, precision="fp32")
        means = [float(result.loss[0])]
        for loss in result.loss[1:].tolist():
            means.append(0.9 * means[-1] + 0.1 * loss)
        chosen = int(np.argmin(means))
        if chosen == int(result.loss.argmin()):
            continue
        then = invert.run(subject, invert.ClassScore(1), prior, steps=chosen + 1, seed=seed, precision="fp32")
        assert torch.equal(result.image, then.last)
        return
    pytest.fail("in no seed do the two rules choose differently: take a smaller rate")


def test_the_time_in_the_loop_is_counted(report: Report) -> None:
    began = time.perf_counter()
    match = invert.FeatureMatch("conv", default_photo())
    result = invert.run(tiny_subject(), match, "none", steps=20)
    assert 0 < result.seconds <= time.perf_counter() - began
    assert all(run["seconds"] > 0 for run in report["runs"])


# Measures


def test_the_divergence_is_the_photo_s_from_the_inversion_s() -> None:
    subject = tiny_subject()
    photo, inversion = torch.rand(2, 1, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        subject.model.fc.weight.mul_(20)  # type: ignore[union-attr, operator]
        p, q = (torch.distributions.Categorical(logits=subject.logits(x)[0]) for x in (photo, inversion))
    objective = invert.FeatureMatch("conv", photo).bind(subject)
    measured = ClassDivergence()(Evidence(subject, objective, inversion, photo))
    right, wrong = (
        float(torch.distributions.kl_divergence(*pair))  # type: ignore[no-untyped-call]
        for pair in ((p, q), (q, p))
    )
    assert right != pytest.approx(wrong, rel=0.05)
    assert measured == pytest.approx(right, rel=1e-4)


def test_identity_is_judged_by_the_judge() -> None:
    subject = tiny_subject()
    photos = torch.stack([picture(0), picture(1)])
    own = IdentityKept()(RowEvidence(subject, "conv", photos, photos[:, None], 1.0, subject))[0]
    others = IdentityKept()(RowEvidence(subject, "conv", photos, photos.flip(0)[:, None], 1.0, subject))[0]
    assert own["identity_judged"] == 1
    assert others["identity_judged"] == 0


def test_a_report_has_the_judge_s_verdict_on_identity(row: Report) -> None:
    assert row["measures"]["identity_judged"] == 1


def test_kept_by_place_says_where() -> None:
    """The left half of each inversion is the photo's, the right half every seed's own."""
    photos = torch.stack([picture(0), picture(1)])
    inversions = photos[:, None].repeat(1, 4, 1, 1, 1)
    inversions[..., 16:] = torch.rand(2, 4, 3, 32, 16, generator=torch.Generator().manual_seed(0))
    tiles = kept_map(RowEvidence(tiny_subject(), "conv", photos, inversions, 1.0))
    left = [tile for line in tiles for tile in line[:4] if tile is not None]
    right = [tile for line in tiles for tile in line[4:] if tile is not None]
    assert np.mean(left) > 0.95
    assert np.mean(right) < 0.3


def test_a_report_has_the_map(row: Report) -> None:
    tiles = [tile for line in row["tiles"] for tile in line if tile is not None]
    assert np.mean(tiles) > 0.8


def test_a_sentence_says_over_how_many_photos_and_seeds(row: Report) -> None:
    assert row["reading"].endswith("(2 photos, 2 seeds)")
    assert [part["reading"][-18:] for part in row["by_photo"].values()] == ["(1 photo, 2 seeds)"] * 2


def test_the_control_is_another_photo(row: Report) -> None:
    other = row["controls"]["another photo"]
    assert row["measures"]["kept.luminance"] > 0.8
    assert other["kept.luminance"] < 0.5 * row["measures"]["kept.luminance"]


def test_spreads_are_standard_deviations(row: Report, report: Report) -> None:
    errors = [run["feature_error"] for run in report["runs"]]
    assert row["spread"]["feature_error"] == pytest.approx(np.std(errors, ddof=1), rel=1e-6)
    assert row["spread"]["feature_error"] > 0
    assert row["spread"]["kept.luminance"] > 0


def test_the_target_score_is_the_logit_and_not_the_loss() -> None:
    subject = tiny_subject()
    result = invert.run(subject, invert.ClassLogOdds(1), "none", steps=5, precision="fp32")
    with torch.no_grad():
        logit = float(subject.logits(result.image)[0, 1])
    assert result.measures["target_score"] == pytest.approx(logit, rel=1e-4)
    assert result.measures["target_score"] != pytest.approx(float(result.loss.min()), rel=1e-3)


# What is shown


def test_the_attribution_is_of_the_photo_s_class(study: Path, report: Report) -> None:
    """Both photos are bluer than they are red, which is the network's second class."""
    subject = invert.load(f"{study / 'network.py'}:net")
    (run, *_) = report["runs"]
    photo = next(image for image in report["images"] if image["id"] == run["image"])
    assert photo["top5"][0]["index"] == 1
    pixels = shown(study / "out" / photo["file"])
    first, second = (attribution_map(subject, "0", pixels, index) for index in range(2))
    assert first is not None and second is not None
    written = shown(study / "out" / run["files"]["evidence"]["original"])
    assert float((written - overlay(pixels, second)).abs().max()) < 0.01
    assert float((written - overlay(pixels, first)).abs().max()) > 0.1


def test_names_in_a_notebook_are_escaped() -> None:
    network = nn.Sequential()
    network.add_module("<b>conv", nn.Conv2d(3, 4, 3))
    subject = invert.wrap(network, size=16, mean=0.5, std=0.25)
    result = invert.run(subject, invert.FeatureMatch("<b>conv", default_photo()), "none", steps=1)
    html = result._repr_html_()
    assert "&lt;b&gt;conv" in html
    assert "<b>" not in html


def test_decorrelated_colours_vary_less_than_light() -> None:
    """As in photos; the three channels of a generator that draws rgb vary alike."""
    match = invert.FeatureMatch("conv", default_photo())
    ratios = {}
    for colours in ("rgb", "decorrelated"):
        start = invert.run(
            tiny_subject(), match, invert.prior("dip", colours=colours), steps=1, precision="fp32"
        ).image
        light, red_green = start.mean(1), (start[:, 0] - start[:, 1]) / 2
        ratios[colours] = float(red_green.std() / light.std())
    assert ratios["decorrelated"] < 0.5 * ratios["rgb"]
