"""What a page looks like at first: at a desk, on a phone, by keyboard."""

from __future__ import annotations

from itertools import pairwise

import pytest

import invert_reports
from invert_reports.study import titles

KNOWN = [
    (
        [("alexnet", "file v1.safetensors"), ("alexnet", "file v2.pth")],
        ["v1.safetensors", "v2.pth"],
    ),
    ([("alexnet", "a/w.pt"), ("alexnet", "b/w.pt")], ["a/w.pt", "b/w.pt"]),
    ([("alexnet", "w.pt"), ("vgg11", "w.pt")], ["alexnet", "vgg11"]),
    ([("alexnet", "w.pt")], ["alexnet"]),
    ([("", None)], ["the network"]),
]


@pytest.mark.parametrize(("networks", "told"), KNOWN)
def test_two_checkpoints_are_titled_by_their_files(networks, told):
    assert titles(networks) == told


def test_arrow_keys_go_on_to_the_next_picture(visit, inversions):
    page = visit(inversions)
    page.locator('[aria-label="conv1, dip"] button.open').click()
    title = page.locator("#closer-title")
    first = title.inner_text()
    page.keyboard.press("ArrowRight")
    second = title.inner_text()
    assert second != first
    page.keyboard.press("ArrowLeft")
    assert title.inner_text() == first
    page.locator("#split").focus()  # a slider has arrow keys of its own
    page.keyboard.press("ArrowRight")
    assert title.inner_text() == first


def test_on_a_phone_pictures_come_first_and_charts_two_a_row(visit, inversions):
    page = visit(inversions, viewport={"width": 390, "height": 844})
    tops = {name: page.locator(name).first.bounding_box()["y"] for name in (".original", ".row", ".headline")}
    assert tops[".original"] < tops[".row"] < tops[".headline"]
    first, second = (page.locator(".panels figure").nth(n).bounding_box() for n in (0, 1))
    assert first["y"] == second["y"] and first["x"] + first["width"] <= second["x"]


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("count", [2, 5, 12, 40])
def test_names_on_an_axis_neither_touch_nor_are_cut(make, visit, width, count):
    factory = make()
    layers = (
        tuple(f"blocks.{n}.mlp.fc{n % 2 + 1}" for n in range(count)) if count > 2 else ("conv1", "output")
    )
    factory.feature(layers, priors=("dip",), seeds=(0,))
    invert_reports.write_page(factory.write())
    page = visit(factory.out, viewport={"width": width, "height": 900})
    panel = page.locator(".panels svg").first
    # Along the direction that is across the letters: boxes of turned text overlap where the text does not.
    found = panel.evaluate("""svg => {
      const frame = svg.getScreenCTM();
      return [...svg.querySelectorAll("text")].filter(t => t.querySelector("title")).map(t => {
        const box = t.getBBox(), m = t.getScreenCTM(), r = t.getBoundingClientRect();
        return { x: m.a * box.x + m.c * box.y + m.e, y: m.b * box.x + m.d * box.y + m.f,
                 thick: box.height * Math.hypot(m.c, m.d), wide: box.width * Math.hypot(m.a, m.b),
                 nx: -m.b / Math.hypot(m.a, m.b), ny: m.a / Math.hypot(m.a, m.b),
                 turned: Math.abs(m.b) > 0.01, left: r.left, right: r.right, bottom: r.bottom,
                 floor: svg.getBoundingClientRect().bottom };
      });
    }""")
    assert len(found) >= min(count, 4)
    for label in found:
        assert label["left"] >= 0 and label["right"] <= width and label["bottom"] <= label["floor"] + 1
    for a, b in pairwise(found):
        if a["turned"]:  # how far apart their lines are
            right = a["x"] * a["nx"] + a["y"] * a["ny"], b["x"] * b["nx"] + b["y"] * b["ny"]
            gap = abs(right[1] - right[0]) - 0.8 * a["thick"]
        else:
            gap = b["left"] - a["right"]
        assert gap > 0
