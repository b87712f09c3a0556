"""Pictures go into a page once each, in as good a quality as its size allows."""

from __future__ import annotations

import time

import numpy as np
import pytest
from PIL import Image

import invert_reports
from invert_reports.html import pictures
from invert_reports.html.pictures import LEVELS, Album


@pytest.fixture
def noise(tmp_path):
    """Pictures that compress badly."""

    def draw(count, side=64):
        names = []
        for n in range(count):
            pixels = np.random.default_rng(n).integers(0, 256, (side, side, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{n}.png")
            names.append(f"{n}.png")
        return names

    return draw


def test_small_reports_keep_inversions_lossless(noise, tmp_path):
    album = Album(tmp_path)
    (key,) = [album.add(name) for name in noise(1)]
    album.encode()
    assert album.uris[key].startswith("data:image/png;base64,")


def test_large_reports_fit_the_budget(noise, tmp_path):
    names = noise(40)
    for budget in (200_000, 120_000, 80_000):
        album = Album(tmp_path, budget=budget)
        key = album.add(names[0], exact=True)
        for name in names[1:10]:
            album.add(name)
        album.film(names[10:])
        album.encode()
        assert sum(map(len, album.uris.values())) <= budget
        assert album.uris[key].startswith("data:image/png")
        assert album.level in LEVELS[1:]


def test_films_keep_their_ends(noise, tmp_path):
    album = Album(tmp_path)
    keys = album.film(noise(40))
    album.encode()
    held = [album.there(key) is not None for key in keys]
    assert held[0] and held[-1]
    assert sum(held) == LEVELS[0].frames


def test_equal_pictures_are_held_once(noise, tmp_path):
    noise(1)
    (tmp_path / "copy.png").write_bytes((tmp_path / "0.png").read_bytes())
    album = Album(tmp_path)
    keys = [album.add("0.png"), album.add("copy.png")]
    album.encode()
    assert len(album.uris) == 1
    assert album.there(keys[0]) == album.there(keys[1]) is not None


def test_pictures_outside_the_report_are_not_shown(noise, tmp_path):
    noise(1)
    inner = tmp_path / "report"
    inner.mkdir()
    (inner / "link.png").symlink_to(tmp_path / "0.png")
    album = Album(inner)
    assert album.add("../0.png") is None
    assert album.add(str(tmp_path / "0.png")) is None
    assert album.add("link.png") is None


def test_a_rewritten_picture_is_encoded_anew(noise, tmp_path):
    noise(2)
    before = Album(tmp_path)
    key = before.add("0.png")
    before.encode()
    (tmp_path / "1.png").replace(tmp_path / "0.png")
    after = Album(tmp_path)
    assert after.add("0.png") == key
    after.encode()
    assert after.uris[key] != before.uris[key]


def test_agreement_is_light_where_pictures_agree(tmp_path):
    left, right = np.full((8, 8, 3), 100, np.uint8), np.full((8, 8, 3), 100, np.uint8)
    left[:, 4:], right[:, 4:] = 0, 255
    Image.fromarray(left).save(tmp_path / "a.png")
    Image.fromarray(right).save(tmp_path / "b.png")
    stamps = tuple((str(tmp_path / name), 0, 0) for name in ("a.png", "b.png"))
    spread = pictures.agreement_map([file for file, *_ in stamps])
    assert spread.getpixel((1, 4)) == tuple(pictures.AGREE)
    assert spread.getpixel((6, 4)) == tuple(pictures.DIFFER)


def test_eight_layers_three_priors_three_seeds_stay_under_10_mb(make):
    factory = make(side=224)
    layers = [f"features.{n}" for n in range(8)]
    factory.feature(layers, seeds=(0, 1, 2), snapshots=(60, 440))
    began = time.monotonic()
    page = invert_reports.write_page(factory.write())
    first = time.monotonic() - began
    assert page.stat().st_size < 10_000_000
    began = time.monotonic()
    invert_reports.write_page(factory.out)  # as after one more cell: what was encoded is remembered
    assert time.monotonic() - began < max(first / 2, 1)


def test_the_page_is_replaced_whole(make):
    out = make().feature(("conv1",)).write()
    invert_reports.write_page(out)
    invert_reports.write_page(out)
    assert sorted(file.name for file in out.iterdir()) == ["images", "report.html", "report.json", "runs"]
