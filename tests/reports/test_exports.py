"""Figures and tables of a report."""

from __future__ import annotations

import csv
import sys

import pytest
from PIL import Image

import invert_reports
from invert.errors import RequestError


@pytest.mark.parametrize("kind, magic", [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_the_grid_is_drawn(inversions, tmp_path, kind, magic):
    file = invert_reports.write_figure(inversions, tmp_path / f"grid.{kind}")
    assert file.read_bytes().startswith(magic)


def test_the_same_report_gives_the_same_figure(make, tmp_path):
    out = make().feature(("conv1",), seeds=(0,)).write()
    for kind in ("pdf", "svg"):
        files = [invert_reports.write_figure(out, tmp_path / f"{n}.{kind}") for n in range(2)]
        assert files[0].read_bytes() == files[1].read_bytes()


def test_a_figure_is_fit_for_print(inversions, tmp_path):
    with Image.open(invert_reports.write_figure(inversions, tmp_path / "grid.png")) as figure:
        assert figure.width > 1500
        assert round(figure.info["dpi"][0]) == 300
    text = invert_reports.write_figure(inversions, tmp_path / "grid.svg").read_text(encoding="utf-8")
    for label in ("original", "dip", "tv", "none", "features.3", "fc6", "error 0.0020"):
        assert label in text


def test_dollars_in_names_are_no_formula(make, tmp_path):
    out = make().feature(("$\\frac{broken", "a$b$c"), priors=("dip",), seeds=(0,)).write()
    text = invert_reports.write_figure(out, tmp_path / "grid.svg").read_text(encoding="utf-8")
    assert "a$b$c" in text


def test_a_gallery_is_drawn(gallery, tmp_path):
    assert "zebra" in invert_reports.write_figure(gallery, tmp_path / "g.svg").read_text(encoding="utf-8")


def test_photo_and_seed_are_chosen(make, tmp_path):
    factory = make()
    factory.photo()
    factory.photo(turn=1)
    out = factory.feature(("conv1",), priors=("none",)).write()
    first = invert_reports.write_figure(out, tmp_path / "a.svg").read_bytes()
    for chosen in ({"photo": "photo-1"}, {"seed": 1}):
        assert invert_reports.write_figure(out, tmp_path / "b.svg", **chosen).read_bytes() != first
    with pytest.raises(RequestError, match="choose from photo-0, photo-1"):
        invert_reports.write_figure(out, tmp_path / "b.svg", photo="photo-9")


def test_other_suffixes_are_refused(inversions, tmp_path):
    with pytest.raises(RequestError, match=r"\.png, \.pdf or \.svg"):
        invert_reports.write_figure(inversions, tmp_path / "grid.gif")


def test_drawing_leaves_pyplot_alone(inversions, tmp_path):
    loaded = "matplotlib.pyplot" in sys.modules
    invert_reports.write_figure(inversions, tmp_path / "grid.png")
    assert ("matplotlib.pyplot" in sys.modules) is loaded


def test_tables_hold_every_number(inversions):
    runs, layers = (read(file) for file in invert_reports.write_tables(inversions))
    assert len(runs) == 4 * 3 * 2 * 2 - 2
    assert float(runs[0]["psnr"]) == 28
    assert runs[0]["feature_error"] == "0.002"
    assert next(run for run in runs if run["error"])["feature_error"] == ""
    assert len(layers) == 12
    assert 0.9 < float(layers[0]["kept.luminance"]) < 1
    assert "spread.kept.luminance" in layers[0]


FORMULAS = [
    "=1+1",
    "+1+1",
    "-x",
    "@SUM(1)",
    "\tx",
    "\rx",
    "  =1+1",
    "\n=1",
    "＝1",
    "＋1",
    "－x",
    "＠x",
    "\u200b=1",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_tables_hold_no_formulas(make, text):
    factory = make().feature((text,), priors=("dip",), seeds=(0,))
    factory.runs[0]["measures"] = {text: 1.5, "psnr": -3.25}
    runs, layers = (file.read_text(encoding="utf-8") for file in invert_reports.write_tables(factory.write()))
    for table in (runs, layers):
        for cell in (cell for row in csv.reader(table.splitlines()) for cell in row):
            harmless = "".join(c for c in cell if c.isprintable()).strip()
            assert harmless[:1] not in tuple("=+@＝＋－＠") and (harmless[:1] != "-" or float(harmless))
    assert runs.count("\n") == 2, "a run is a line"
    assert float(next(csv.DictReader(runs.splitlines()))["psnr"]) == -3.25, "numbers stay numbers"


def test_a_figure_of_names_that_no_font_has_warns_of_nothing(make, tmp_path, recwarn):
    out = make().feature(("🐱\u0ddf",), priors=("dip",), seeds=(0,)).write()
    invert_reports.write_figure(out, tmp_path / "grid.png")
    assert not recwarn.list


def read(file):
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))
