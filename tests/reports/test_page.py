"""The page in a browser: what a reader does with it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from report_factory import HOSTILE

import invert_reports
from invert_reports.html import page as page_module


@pytest.fixture
def page(visit, inversions):
    return visit(inversions)


def open_crossing(page, layer="conv1", prior="dip"):
    page.get_by_role("article", name=f"{layer}, {prior}").get_by_role("button").click()
    page.wait_for_selector("dialog[open]")


def shown(page, selector):
    return page.eval_on_selector(selector, "image => image.src")


def test_a_crossing_opens_and_closes_by_keyboard(page):
    opener = page.locator("[data-opens]").first
    opener.focus()
    page.keyboard.press("Enter")
    assert page.locator("#closer-title").inner_text() == "conv1 · dip"
    assert page.evaluate("document.activeElement.id") == "closer-title"
    page.keyboard.press("Escape")
    assert not page.locator("#closer").is_visible()
    assert opener.evaluate("button => button === document.activeElement")


def test_the_slider_divides_original_and_inversion(page):
    open_crossing(page, "features.3")
    split = page.locator("#split")
    split.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert split.input_value() == "60"
    assert page.locator("#stage").evaluate("stage => stage.style.getPropertyValue('--split')") == "60%"

    box = page.locator("#stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 50)
    page.mouse.up()
    assert split.input_value() == "25"
    clipped = page.locator("#stage-inversion").evaluate("image => getComputedStyle(image).clipPath")
    assert "25%" in clipped


@pytest.mark.parametrize("view", ["Side by side", "Difference", "Kept by place"])
def test_other_views_of_the_comparison(page, view):
    open_crossing(page)
    page.get_by_role("radio", name=view).check()
    assert not page.locator("#split").is_visible()
    assert page.locator("#stage-inversion").is_visible()


def test_steps_are_scrubbed_with_arrow_keys(page):
    open_crossing(page)
    final = shown(page, "#stage-inversion")
    page.locator("#scrub").focus()
    page.keyboard.press("ArrowLeft")
    assert page.locator("#scrub-step").inner_text() == "450 of 500"
    assert page.locator(".cursor").get_attribute("visibility") == "visible"
    assert shown(page, "#stage-inversion") != final
    page.keyboard.press("Home")
    assert page.locator("#scrub-step").inner_text() == "50 of 500"
    page.keyboard.press("End")
    assert shown(page, "#stage-inversion") == final


def test_seeds_are_switched_in_the_grid(page):
    picture = '[aria-label="conv1, dip"] .open img'
    before = shown(page, picture)
    page.get_by_role("radio", name="1", exact=True).check()
    assert shown(page, picture) != before
    assert page.locator(picture).get_attribute("alt").endswith("layer conv1 with prior dip, seed 1")
    assert "out of memory" in page.locator('[aria-label="features.3, none"] .note').inner_text()
    assert page.locator('[aria-label="fc6, tv"] .note').inner_text() == "not run"
    page.get_by_role("radio", name="0", exact=True).check()
    assert shown(page, picture) == before


def test_bars_and_sentence_are_of_the_photo_that_is_shown(page):
    crossing = page.locator('[aria-label="conv1, dip"]')
    told = crossing.locator(".reading:visible")
    kept = crossing.locator("td.number:visible").first
    assert told.all_inner_texts()[0] == "keeps what photo 0 keeps"
    before = int(kept.inner_text().split("\u202f")[0])
    page.get_by_role("radio", name=re.compile("<img")).check()
    assert told.all_inner_texts()[0] == "keeps what photo 1 keeps"
    assert int(kept.inner_text().split("\u202f")[0]) == pytest.approx(before / 2, abs=1)
    assert told.all_inner_texts()[1].startswith("Over all: ")
    open_crossing(page)
    assert page.locator("#sums-reading").inner_text() == "keeps what photo 1 keeps"
    assert page.locator("#pooled-reading").inner_text().startswith("Pooled over 2 photos, 2 seeds: ")
    page.keyboard.press("Escape")
    page.get_by_role("radio", name="grace.jpg").check()


def test_seeds_are_switched_while_looking_closer(page):
    open_crossing(page)
    before = shown(page, "#stage-inversion")
    page.locator("#seeds-list button").nth(1).click()
    assert shown(page, "#stage-inversion") != before
    assert "seed 1" in page.locator("#closer-facts").inner_text()
    assert page.locator("#seeds-list figure img").get_attribute("alt").startswith("Agreement map of conv1")


def test_photos_are_chosen(page):
    original = shown(page, "[data-role=original]")
    page.locator(".photos input").nth(1).check()
    assert shown(page, "[data-role=original]") != original
    assert HOSTILE in page.locator("[data-role=photo-name]").inner_text()
    open_crossing(page)
    assert HOSTILE in page.locator("#closer-facts").inner_text()


def test_next_goes_through_the_crossings(page):
    open_crossing(page)
    page.locator("#next").click()
    assert page.locator("#closer-title").inner_text() == "conv1 · tv"
    page.locator("#previous").click()
    page.locator("#previous").click()
    assert page.locator("#closer-title").inner_text() == "conv1 · dip"


def test_looking_closer_tells_everything_of_a_run(page):
    open_crossing(page)
    text = page.locator("#closer").inner_text()
    for told in (
        "learning_rate",
        "16, 32, 64",
        "feature error",
        "another photo",
        "academic gown",
        "500 steps",
    ):
        assert told in text
    assert page.locator("#attributions img").count() == 2
    assert page.locator("#curve path.line").count() == 1
    page.locator("#next").click()
    assert page.locator("#curve path.line").count() == 2  # total variation has a penalty
    assert not page.locator("#attributions-part").is_visible()


def test_a_command_is_copied(visit, inversions):
    page = visit(inversions, permissions=["clipboard-read", "clipboard-write"])
    open_crossing(page)
    page.locator("#command-part [data-copy]").click()
    page.get_by_text("Copied", exact=True).wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "invert squeezenet1_1 --layer conv1 --prior dip --seed 0"


def test_the_table_is_sorted(page):
    table = page.get_by_role("table", name="Runs in numbers")
    head = table.get_by_role("columnheader", name="feature error")
    column = head.evaluate("head => head.cellIndex")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    rising = numbers(table, column)
    assert rising == sorted(rising)
    head.get_by_role("button").click()
    assert numbers(table, column) == rising[::-1]
    last = table.locator("tbody tr").last.locator("td").nth(column - 1).inner_text()
    assert last == "–"  # runs without a number stay at the end either way


def numbers(table, column):
    keys = table.evaluate(
        "(table, column) => [...table.tBodies[0].rows].map(row => row.cells[column].dataset.key)", column
    )
    return [float(key) for key in keys if key is not None]


def test_a_run_opens_from_the_table(page):
    page.get_by_role("table", name="Runs in numbers").get_by_role("button", name="fc6").first.click()
    assert page.locator("#closer-title").inner_text() == "fc6 · dip"


def test_the_layers_table_shows_one_part_at_a_time(page):
    assert page.locator('th[data-group="free"]').first.is_hidden()
    page.locator("#group").select_option("free")
    assert page.locator('th[data-group="free"]').first.is_visible()
    assert page.locator('th[data-group="kept"]').first.is_hidden()


def test_the_theme_is_toggled(page):
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate(background) != light
    page.get_by_role("button", name="Light theme").click()
    assert page.evaluate(background) == light


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_sticks_out_sideways(visit, inversions, gallery, width):
    for out in (inversions, gallery):
        page = visit(out, viewport={"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_names_stay_text(page, inversions):
    assert page.locator("h3", has_text=HOSTILE).first.inner_text() == HOSTILE
    open_crossing(page, HOSTILE)
    assert page.locator("#closer-title").inner_text() == f"{HOSTILE} · dip"
    assert page.title() == "What squeezenet1_1 keeps · invert"
    assert page.locator("[onerror]").count() == 0
    assert page.locator("script").count() == 2
    source = (inversions / "report.html").read_text(encoding="utf-8")
    assert HOSTILE not in source


def test_the_policy_forbids_what_the_page_does_not_need(page, inversions):
    source = (inversions / "report.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', source).group(1)
    assert policy.startswith("default-src &#39;none&#39;; img-src data:; style-src &#39;sha256-")
    assert "unsafe" not in policy
    names = "[...document.querySelectorAll('*')].flatMap(element => element.getAttributeNames())"
    assert not [name for name in page.evaluate(names) if name == "style" or name.startswith("on")]


def test_the_whole_script_is_in_the_page_once(inversions):
    source = (inversions / "report.html").read_text(encoding="utf-8")
    files = sorted((page_module.HERE / "script").iterdir())
    assert {file.stem for file in files} == {*page_module.SCRIPT, *page_module.DUEL}
    assert all(
        source.count(file.read_text(encoding="utf-8")) == (file.stem in page_module.SCRIPT) for file in files
    )


def test_every_picture_is_embedded_once(inversions):
    source = (inversions / "report.html").read_text(encoding="utf-8")
    pictures = re.findall(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+", source)
    assert len(pictures) == len(set(pictures))


def test_the_gallery_shows_the_photos_that_drive_a_class_most_and_least(visit, gallery):
    page = visit(gallery)
    row = page.locator("section.target").first
    scores = [row.get_by_label(f"Photos that drive it {label}").inner_text() for label in ("most", "least")]
    assert [score.split() for score in scores] == [["21.5"], ["−4.50"]], "each photo once"


def test_the_gallery_opens_without_an_original(visit, gallery):
    page = visit(gallery)
    assert page.locator("h3", has_text="zebra").count() == 1
    target = page.get_by_role("region", name="zebra")
    figure = target.get_by_role("figure").first
    assert (
        "itself\nzebra 99\u202f%" in figure.inner_text()
        and "judge" not in figure.locator("dt").first.inner_text()
    )
    assert "5 of the class: mean 14, best 21.5" in target.locator(".about").inner_text()
    assert page.locator(".real img").count() == 4
    figure.get_by_role("button").click()
    assert not page.locator("#views").is_visible()
    assert page.locator("#stage-inversion").is_visible()
    assert "academic gown" in page.locator("#top5-tables").inner_text()
    assert "21.5" in page.locator("#real").inner_text()


def test_a_running_report_says_so(make, visit):
    factory = make(status="running")
    factory.feature(("conv1", "conv2"), seeds=(0,), kept=False, skip=("conv2", "none", 0))
    invert_reports.write_page(factory.write())
    page = visit(factory.out)
    assert "Still running" in page.locator(".banner").inner_text()
    assert page.locator('[aria-label="conv2, none"] .note').inner_text() == "not finished yet"
    assert "--seeds 4" in page.locator("main").inner_text()


def test_missing_and_broken_pictures_are_told(make, visit):
    factory = make()
    factory.feature(("conv1",), priors=("dip", "tv", "none"), seeds=(0,))
    out = factory.write()
    (out / factory.runs[0]["files"]["image"]).unlink()
    (out / factory.runs[1]["files"]["image"]).write_bytes(b"not a picture")
    (out / factory.runs[2]["files"]["trace"]).write_text("{", encoding="utf-8")
    invert_reports.write_page(out)
    page = visit(out)
    for prior in ("dip", "tv"):
        assert page.locator(f'[aria-label="conv1, {prior}"] .note').inner_text() == "picture missing"
        open_crossing(page, prior=prior)
        page.keyboard.press("Escape")
    open_crossing(page, prior="none")
    assert not page.locator("#curve-part").is_visible()


@pytest.mark.parametrize("content", [{}, {"images": None, "layers": None, "measures": None, "subject": None}])
def test_a_report_with_next_to_nothing_has_a_page(tmp_path, visit, content):
    bare = {"schema": 1, "runs": [{}, {"objective": "feature"}], **content}
    (tmp_path / "report.json").write_text(json.dumps(bare), encoding="utf-8")
    invert_reports.write_page(tmp_path)
    assert visit(tmp_path).locator("h1").count() == 1


@pytest.mark.parametrize("value", [1e308, -1e308, 5e-324])
def test_numbers_at_the_ends_of_what_a_float_holds_have_a_page(make, value):
    factory = make().feature(("conv1", "fc6"), priors=("dip",))
    factory.images[0]["top5"][0]["probability"] = value
    for row in factory.layers:
        row["measures"] = dict.fromkeys(row["measures"], value)
        row["spread"] = dict.fromkeys(row["spread"], value)
    for run in factory.runs:
        run["measures"] = dict.fromkeys(run["measures"], value)
        run["feature_error"] = run["top5"][0]["probability"] = value
    assert invert_reports.write_page(factory.write()).is_file()


def test_the_page_prints_in_light_colours(visit, inversions, tmp_path: Path):
    page = visit(inversions, color_scheme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "light"
    assert not page.locator("#theme").is_visible()
