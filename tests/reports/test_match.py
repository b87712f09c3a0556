"""Where a page says how well a layer is matched: nowhere is a number beside it that denies the verdict."""

from __future__ import annotations

import pytest

from invert.measures.matched import unreadable
from invert.report import Match, Record, RowMatch, read_report
from invert_reports.html.payload import payload
from invert_reports.html.pictures import Album
from invert_reports.html.view import View
from invert_reports.html.vocabulary import match_in_short
from invert_reports.study import studies

NEAR = Match(snr_db=12.3, percentile=8.2, enough=False, pairs=780)


@pytest.mark.parametrize(
    "snr, told", [(9.97, "9 dB"), (10.0, "10 dB"), (-0.2, "0 dB"), (24.6, "25 dB"), (9.4, "9 dB")]
)
def test_no_decibels_read_as_enough_that_are_not(snr: float, told: str) -> None:
    match = Match(snr_db=snr, percentile=1.0, enough=snr >= 10, pairs=780)
    assert match.in_short == told
    assert match_in_short(match)[1] == (told if match.enough else f"{told} (too little)")


def test_where_unlike_pictures_are_as_near_that_is_the_reason() -> None:
    assert NEAR.in_short == "12 dB, as near as 9 % of pairs"
    said = unreadable(RowMatch(**vars(NEAR), error=0.02))
    assert (
        "no smaller than that of 9 % of the pairs of unlike photos (5 % would do)" in said
        and "10 dB" not in said
    )
    assert "is 9.9 dB below" in unreadable(RowMatch(snr_db=9.97, percentile=1.0, error=0.02))


def shown(out):
    report = read_report(out)
    return report, View(report, studies(report), Album(out))


def test_the_tables_say_whether_a_layer_is_matched(make) -> None:
    factory = make().feature(("conv1", "fc6"), ("dip",))
    for each in (*factory.runs, *factory.layers):
        each["match"] = {"percentile": 0.2, "snr_db": 21.7, "enough": True, "pairs": 780}
    factory.layers[1]["match"] |= {"snr_db": 9.6, "enough": False}
    factory.runs[-1]["match"] |= {"snr_db": 9.6, "enough": False}
    _, view = shown(factory.write())
    for table, last in ((view.layers, 1), (view.runs, -1)):
        column = [head["text"] for head in table["heads"]].index("matched")
        assert table["rows"][0]["fields"][column] == ("yes, 22 dB", 21.7)
        assert table["rows"][last]["fields"][column] == ("no, 9 dB", 9.6)


def test_a_control_that_is_not_matched_is_called_so(make) -> None:
    """Random weights may reach the error of --until at once: what they keep then tells nothing."""
    factory = make().feature(("conv1", "fc6"), ("dip",))
    out = factory.write()
    report, view = shown(out)
    report.controls = [
        Record(id=f"{layer}-{seed}", layer=layer, prior="dip", control="random weights", seed=seed,
               match=Match(enough=enough, pairs=780))
        for layer, enough in (("conv1", True), ("fc6", False)) for seed in (0, 1)
    ]  # fmt: skip
    found = {c["title"]: c["facets"]["heads"] for c in payload(out, view)["crossings"].values()}
    assert "kept, random weights" in found["conv1 · dip"]
    assert "kept, random weights (not matched)" in found["fc6 · dip"]
    assert "kept, another photo" in found["fc6 · dip"]


def test_what_cannot_be_read_is_not_drawn(make) -> None:
    factory = make().feature(("conv1", "conv2", "fc6"), ("dip",))
    for row, enough in zip(factory.layers, (True, True, False), strict=True):
        row["match"] = {"percentile": 0.2, "snr_db": 21.7 if enough else 9.6, "enough": enough, "pairs": 780}
    _, view = shown(factory.write())
    (study,) = view.studies
    luminance = view.headline(study)[0]
    values = luminance.series[0].values
    assert luminance.title == "Luminance" and values[:2] == [
        row["measures"]["kept.luminance"] for row in factory.layers[:2]
    ]
    assert values[2] is None
    for row in factory.layers:
        row["match"]["enough"] = False
    _, view = shown(factory.write())
    assert not any(panel.share for panel in view.headline(view.studies[0]))
