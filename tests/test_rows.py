"""The last lines of a run: what people read there is right, and fits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from invert.cli import main
from invert.cli.rows import lines, probability, share
from invert.report import LayerRow, Record, Report, RowMatch, read_report

MATCHED = RowMatch(percentile=0.1, snr_db=24.2, enough=True, error=0.0012, pairs=780)
TOO_SOON = replace(MATCHED, snr_db=-0.2, enough=False, error=1.05)


def row(**changes: object) -> LayerRow:
    kept = {"kept.luminance": 1.08, "kept.colour": -0.06, "edges_kept": 0.5}
    reading = "keeps all detail up to 8 cycles per image, some up to 32, outlines and place to 2 px (1 photo)"
    given = {"layer": "relu1", "prior": "dip", "seeds": 2, "measures": kept, "match": MATCHED}
    return LayerRow(**{**given, "reading": reading, **changes})  # type: ignore[arg-type]


def test_shares_lie_between_0_and_100_and_nothing_is_a_negative_zero() -> None:
    head, line, _, hint = lines(Report(layers=[row()]))
    assert hint.startswith("n cycles per image: "), "what the sentence is in is explained where it stands"
    assert head.split() == ["layer", "prior", "error", "matched", "kept:", "luminance", "colour", "outlines"]
    assert line.split("  ")[0] == "relu1"
    assert line.split()[2:] == ["0.0012", "yes,", "24", "dB", "100", "%", "0", "%", "50", "%"]
    assert [share(v) for v in (-0.0, -0.001, 1.004, None)] == ["0 %", "0 %", "100 %", "–"]
    assert [probability(v) for v in (0.0, 0.001, 0.999, 1.0)] == ["0 %", "<1 %", ">99 %", "100 %"]


def test_what_is_not_matched_has_no_shares() -> None:
    sentence = "not matched well enough to be read: its feature error 1.1 is no nearer than …"
    _, line, told = lines(Report(layers=[row(match=TOO_SOON, reading=sentence)]))
    assert line.split()[2:] == ["1.05", "no,", "0", "dB", "–", "–", "–"] and told.strip() == sentence


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("name", ["fc6", "features.12.expand3x3_activation[0]", "層" * 30])
def test_no_line_is_wider_than_the_terminal(name: str, width: int) -> None:
    shown = list(lines(Report(layers=[row(layer=name), row()]), width))
    sentences = [line for line in shown if line.startswith("  ")]
    assert " ".join(map(str.strip, sentences)) == f"{row().reading} {row().reading}", "every word is there"
    assert max(map(cell_len, shown)) < max(width, 80)
    assert max(map(cell_len, sentences)) < width
    assert any(name in line for line in lines(Report(layers=[row(layer=name)]))), "a pipe has no width"


def test_a_row_that_failed_says_why_and_one_seed_what_it_cannot_tell() -> None:
    *_, told, hint = lines(Report(layers=[row(error="ValueError: no", reading=None, seeds=1)]))
    assert told == "  could not be measured: ValueError: no" and "--seeds 2" in hint


def test_classes_say_what_the_network_and_the_judge_make_of_them() -> None:
    measures = {"target_score": 31.25, "target_probability": 0.9999, "judge_rank": 3.0}
    runs = [
        Record(objective="class", target=f"zebra {n}", prior="dip", seed=0, measures=measures)
        for n in range(40)
    ]
    head, first, *rest = lines(Report(runs=runs), 80)
    assert head.split() == ["drawn", "prior", "seed", "score", "probability", "judge"]
    assert first.split() == ["zebra", "0", "dip", "0", "31.2", ">99", "%", "rank", "3,", "–"]
    assert rest[-1] == "… and 10 more in runs.csv"
    (head, _) = lines(Report(runs=[replace(runs[0], measures={"target_score": -2.0})]))
    assert head.split() == ["drawn", "prior", "seed", "score"]


def test_a_run_ends_with_its_rows_and_the_page(
    own_network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [own_network, "--layer", "conv", "--prior", "none", "--steps", "7", "--precision", "bf16"]
    assert main([*words, "--out", str(tmp_path / "o")]) == 0
    *shown, last = capsys.readouterr().out.splitlines()
    assert shown == list(lines(read_report(tmp_path / "o"))) and len(shown) >= 3
    assert last == f"report: {tmp_path / 'o' / 'report.html'}"
    # The steps and the precision are those that were used, not what the prior says by itself.
    (run,) = read_report(tmp_path / "o").runs
    assert (run.settings["steps"], run.precision, run.device) == (7, "bf16", "cpu")

    assert main([*words, "--out", str(tmp_path / "j"), "--json"]) == 0
    output = capsys.readouterr()
    assert json.loads(output.out)["layers"][0]["layer"] == "conv"
    assert "[1/1]" in output.err and all(line in output.err for line in shown[:1])
    assert main([*words, "--out", str(tmp_path / "q"), "--quiet"]) == 0
    assert capsys.readouterr().out.count("\n") == 1
