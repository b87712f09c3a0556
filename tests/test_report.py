"""report.json through its classes: checked once, in one line that names file and field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from invert.errors import RequestError
from invert.report import Record, Report, read_report
from invert.typed_json import MOST_NESTED, read, to_json


def written(folder: Path, text: str) -> Path:
    (folder / "report.json").write_text(text, encoding="utf-8")
    return folder


def report(**fields: Any) -> str:
    return json.dumps({"schema": 1, "runs": [], **fields})


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"runs": [{}, {"steps": "x"}]}, "runs[1].steps is 'x': it must be a whole number"),
        ({"runs": [None]}, "runs[0] is null: it must be an object"),
        ({"runs": [{"steps": True}]}, "runs[0].steps is true: it must be a whole number"),
        ({"runs": [{"seed": 2**63}]}, "runs[0].seed is a number of too many digits: it must be a whole"),
        (
            {"runs": [{"seconds": 10**400}]},
            "runs[0].seconds is a number of too many digits: it must be",
        ),
        ({"runs": [{"error": ["x"]}]}, "runs[0].error is a list: it must be text"),
        ({"runs": [{"files": "x"}]}, "runs[0].files is 'x': it must be an object"),
        ({"runs": [{"reached": 1}]}, "runs[0].reached is 1: it must be true or false"),
        ({"layers": [{"measures": {"a b": "x"}}]}, "layers[0].measures['a b'] is 'x': it must be a finite"),
        ({"layers": [{"tiles": [[1, "x"]]}]}, "layers[0].tiles[0][1] is 'x': it must be a finite number"),
        ({"images": {"a": 1}}, "images is an object: it must be a list"),
        (
            {"subject": {"input": {"shape": [3.5]}}},
            "subject.input.shape[0] is 3.5: it must be a whole",
        ),
        ({"runs": [{"seed": f"\x1b[2J{'x' * 10**6}"}]}, "runs[0].seed is '\\x1b[2Jxxx"),
        ({"runs": "x"}, "is no report: it has no list of runs"),
        ({"schema": 2}, "schema is 2: this version reads 1"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_file_and_field(tmp_path: Path, fields: Any, told: str) -> None:
    with pytest.raises(RequestError) as raised:
        read_report(written(tmp_path, report(**fields)))
    message = str(raised.value)
    assert message.startswith(str(tmp_path / "report.json")) and told in message
    assert message.isprintable() and len(message) < 300


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "\xff", "[" * 100_000, f'{{"runs": [], "schema": {"9" * 5_000}}}', f'"{"x" * 10**6}"'],
)
def test_what_is_no_report_is_one_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(RequestError) as raised:
        read_report(written(tmp_path, text))
    assert str(raised.value).isprintable() and len(str(raised.value)) < 300


def test_what_is_missing_or_null_has_its_default(tmp_path: Path) -> None:
    bare = read_report(written(tmp_path, report(images=None, subject=None, runs=[{"settings": None}])))
    assert bare.images == [] and bare.subject.model == "" and bare.runs[0].settings == {}


def test_what_another_version_wrote_is_kept(tmp_path: Path) -> None:
    runs = [{"id": "a", "new": {"deep": [1]}, "files": {"observed": "o.png"}}]
    kept = to_json(read_report(written(tmp_path, report(runs=runs, also=3))))
    assert kept["also"] == 3
    assert kept["runs"][0]["new"] == {"deep": [1]} and kept["runs"][0]["files"]["observed"] == "o.png"


def test_numbers_that_are_not_finite_are_null(tmp_path: Path) -> None:
    text = '{"schema": 1, "runs": [{"feature_error": NaN, "measures": {"a": 1e999, "b": -Infinity}}]}'
    (run,) = read_report(written(tmp_path, text)).runs
    assert run.feature_error is None and run.measures == {"a": None, "b": None}


def test_half_surrogates_do_not_come_in(tmp_path: Path) -> None:
    text = (
        '{"schema": 1, "runs": [{"prior": "\\ud800x", "settings": {"\\udfff": ["\\ud800"]}}], "\\ud800": 1}'
    )
    json.dumps(to_json(read_report(written(tmp_path, text))), ensure_ascii=False).encode("utf-8")


def test_what_nests_too_deeply_is_refused() -> None:
    deep: Any = []
    for _ in range(MOST_NESTED):
        deep = [deep]
    assert read(Record, {"settings": {"a": deep[0]}}).settings
    with pytest.raises(ValueError, match=r"^settings\['a'\] is nested more than"):
        read(Record, {"settings": {"a": [deep]}})


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "report.json").symlink_to("/dev/zero")
    with pytest.raises(RequestError, match="not a regular file"):
        read_report(tmp_path)


def test_every_field_has_a_default() -> None:
    assert read(Report, {}).runs == []
