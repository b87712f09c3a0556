"""`report.json` is what docs/report.schema.json says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import invert_reports

jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed (dev extra)")

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8"))


def problems(out: Path) -> list[str]:
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return [
        f"{e.json_path}: {e.message}" for e in jsonschema.Draft202012Validator(SCHEMA).iter_errors(report)
    ]


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


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
