"""`report.json` is what docs/report.schema.json says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

import invert_reports
from invert.cli import main
from invert.report import read_report, report_schema
from invert.typed_json import to_json

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed (dev extra)")

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json.loads((DOCS / "report.schema.json").read_text(encoding="utf-8"))


def problems(out: Path) -> list[str]:
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return [
        f"{e.json_path}: {e.message}" for e in jsonschema.Draft202012Validator(SCHEMA).iter_errors(report)
    ]


def test_the_schema_is_that_of_the_classes():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert report_schema() == SCHEMA, "make schema"


def test_the_page_about_files_names_every_field():
    text = (DOCS / "files.md").read_text(encoding="utf-8")
    for name, described in {"Report": SCHEMA, **SCHEMA["$defs"]}.items():
        missing = [field for field in described["properties"] if f"`{field}`" not in text]
        assert missing == [], f"docs/files.md does not say what these of {name} are"


def test_a_real_report_is_valid(own_network, tmp_path):
    words = ["--prior", "none", "--steps", "3", "--device", "cpu", "--quiet"]
    inverted = ["--layer", "conv,fc", "--seeds", "2", "--controls", "--judge", own_network]
    driven = ["--class", "cat", "--unit", "conv:1", "--photos", str(tmp_path)]
    photos = []
    for n in range(2):
        photos.append(str(tmp_path / f"{n}.png"))
        Image.new("RGB", (40, 40), (80 * n, 90, 100)).save(photos[-1])
    for out, more in (("inverted", inverted), ("driven", driven)):
        images = [word for photo in photos for word in ("--image", photo)] if out == "inverted" else []
        assert main([own_network, *more, *images, *words, "--out", str(tmp_path / out)]) == 0
        assert problems(tmp_path / out) == []
        report = json.loads((tmp_path / out / "report.json").read_text(encoding="utf-8"))
        assert to_json(read_report(tmp_path / out)) == report, "read and written again, it is the same"
        assert report["runs"] and all(run["error"] is None for run in report["runs"])


def test_reports_are_valid(inversions, gallery):
    assert problems(inversions) == []
    assert problems(gallery) == []


def test_a_merged_report_is_valid(inversions, gallery, tmp_path):
    invert_reports.merge([inversions, gallery], tmp_path / "merged")
    assert problems(tmp_path / "merged") == []


def test_paths_out_of_the_folder_are_invalid(make):
    factory = make().feature(("conv1",), priors=("dip",), seeds=(0,))
    factory.runs[0]["files"]["image"] = "../../secret.png"
    assert len(problems(factory.write())) == 1
