"""The page of restored pictures, in a browser."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import invert_reports
from invert.cli import main


@pytest.fixture(scope="module")
def restored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two noisy pictures with their truths, two priors, two seeds; one name full of markup."""
    folder = tmp_path_factory.mktemp("restored")
    rng = np.random.default_rng(0)
    for name, size in (("a<b>&c", (40, 28)), ("grey", (21, 33))):
        clean = np.linspace(60, 190, size[0] * size[1]).reshape(size[1], size[0])
        clean = clean if name == "grey" else np.stack([clean, clean[::-1], clean], -1)
        Image.fromarray(clean.round().astype(np.uint8)).save(folder / f"{name}.png")
        noisy = (clean + rng.normal(0, 20, clean.shape)).clip(0, 255).round().astype(np.uint8)
        Image.fromarray(noisy).save(folder / f"{name} noisy.png")
    files = [folder / "a<b>&c noisy.png", folder / "grey noisy.png"]
    truths = [w for f in ("a<b>&c.png", "grey.png") for w in ("--truth", folder / f)]
    words = ["denoise", *files, *truths, "--sigma", 20, "--prior", "tv,none", "--seeds", 2, "--steps", 12]
    out = folder / "out"
    assert main(["restore", *map(str, words), "--out", str(out), "--quiet"]) == 0
    return out


def test_each_picture_stands_beside_what_came_in_the_floors_and_the_truth(restored, visit):
    page = visit(restored)
    assert page.locator("section.restored").count() == 2
    first = page.locator("section.restored").first
    names = first.locator(".pictures figure").evaluate_all("all => all.map(f => f.dataset.name)")
    assert names[0] == "observed" and names[-1] == "truth" and {"nlm", "tv", "none"} < set(names)
    report = json.loads((restored / "report.json").read_text())
    tv = next(iter(report["layers"][0]["by_photo"].values()))["restored"]
    row = first.locator("tbody tr", has_text="tv").first
    assert f"{tv['measures']['psnr']:.1f}" in row.inner_text()
    assert first.locator("h2").inner_text().startswith("a<b>&c noisy.png")
    assert "PSNR in RGB, or of grey, over the whole picture" in page.locator("main").inner_text()


def test_any_two_are_compared_under_the_slider(restored, visit):
    page = visit(restored)
    duel = page.locator("[data-duel]").first
    assert duel.locator("[data-told=left]").inner_text() == "observed"
    assert duel.locator("[data-told=right]").inner_text() == "tv"
    before = duel.locator("[data-side=right]").get_attribute("src")
    duel.locator("[data-choose=right]").select_option(label="truth")
    assert duel.locator("[data-side=right]").get_attribute("src") != before
    duel.locator("figure[data-name=nlm]").click()
    assert duel.locator("[data-told=right]").inner_text() == "nlm"
    chosen = duel.locator("[data-choose=right]").evaluate("select => select.selectedOptions[0].textContent")
    assert chosen == "nlm"
    duel.locator("input[type=range]").fill("80")
    clip = duel.locator("[data-side=right]").evaluate("image => getComputedStyle(image).clipPath")
    assert "80%" in clip


def test_the_curve_the_residual_and_where_seeds_differ_are_there(restored, visit):
    page = visit(restored)
    first = page.locator("section.restored").first
    told = first.locator(".insights").inner_text()
    assert "tv against steps" in told and "what was observed less the picture" in told
    assert "where seeds differ" in told and "2 seeds; white is a standard deviation of" in told
    assert "PSNR of what would be the result, in RGB or of grey, over the whole picture" in told
    curve = first.locator("svg.curve").first
    assert curve.locator("path.line").count() == 2 and curve.locator("line.stop").count() == 2
    assert "PSNR" in curve.get_attribute("aria-label") and "kept step" in curve.get_attribute("aria-label")


@pytest.mark.parametrize("width", [390, 768, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(width, scheme, restored, visit):
    page = visit(restored, viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".arena").first.bounding_box()["width"] <= width


def test_a_floor_that_is_as_good_is_pointed_out_and_one_that_is_not_is_not(restored, tmp_path):
    report = json.loads((restored / "report.json").read_text())
    (tmp_path / "report.json").write_text(json.dumps(report))

    def page(floor: float) -> str:
        for picture in report["images"]:
            for each in picture["floors"]:
                each["measures"]["psnr"] = floor
        (tmp_path / "report.json").write_text(json.dumps(report))
        return invert_reports.write_page(tmp_path).read_text()

    assert "is better than all that is here" in page(60.0)
    assert "all that is here" not in page(1.0)


def test_hostile_reports_are_drawn(restored, tmp_path):
    report = json.loads((restored / "report.json").read_text())
    report["images"][0]["floors"] = [{"method": "<script>alert(1)</script>", "error": "</script>"}]
    report["layers"][0]["by_photo"]["nobody"] = {"restored": {"file": "../../etc/passwd"}}
    report["runs"][0]["observed"] = {"operator": "<b>", "settings": {"<i>": [1, None]}}
    report["runs"][1]["files"]["trace"] = "../x.json"
    (tmp_path / "report.json").write_text(json.dumps(report))
    text = invert_reports.write_page(tmp_path).read_text()
    assert "<script>alert" not in text and "<b>:" not in text


def test_it_is_not_merged(restored, tmp_path):
    with pytest.raises(invert_reports.merging.RequestError, match="restored pictures"):
        invert_reports.merge([restored], tmp_path / "merged")


def test_it_is_no_side_of_a_comparison(restored, capsys):
    assert main(["compare", str(restored), str(restored)]) == 2
    assert "holds restored pictures: what is compared is two networks" in capsys.readouterr().err
