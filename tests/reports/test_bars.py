"""The bars beside a picture: that photo's own, what is pooled marked as such, and no number left raw."""

from __future__ import annotations

import re

import pytest

from invert.report import LayerRow, PhotoRow, ReportedMeasure
from invert_reports.html.bars import bars
from invert_reports.html.charts import stacked
from invert_reports.html.numbers import share
from invert_reports.html.vocabulary import Vocabulary


def shares(kept: float, facet: str = "colour") -> dict[str, float | None]:
    rest = (1 - kept) / 2
    return {f"kept.{facet}": kept, f"invented.{facet}": rest, f"free.{facet}": rest, f"shown.{facet}": 1.2}


def row(**known: object) -> LayerRow:
    """A church without colour of its own, and a parachute with a lot."""
    return LayerRow(
        measures=shares(0.4),
        spread={"kept.colour": 0.31},
        photos=2,
        seeds=4,
        reading="keeps some colour (2 photos that differ in colour, 4 seeds)",
        controls={"another photo": {"kept.colour": 0.07}},
        by_photo={
            "church": PhotoRow(measures=shares(0.02), reading="keeps next to nothing (1 photo, 4 seeds)"),
            "parachute": PhotoRow(measures=shares(0.8), reading="keeps colour (1 photo, 4 seeds)"),
        },
        **known,  # type: ignore[arg-type]
    )


def test_the_bars_beside_a_picture_are_of_its_photo() -> None:
    church, parachute = bars(row())
    assert (church.photo, church.rows[0].kept, church.reading) == (
        "church", "2\u202f%", "keeps next to nothing (1 photo, 4 seeds)",
    )  # fmt: skip
    assert (parachute.photo, parachute.rows[0].kept) == ("parachute", "80\u202f%")


def test_what_is_pooled_says_so_and_over_what() -> None:
    church, _ = bars(row())
    assert church.pooled == "Over all: keeps some colour (2 photos that differ in colour, 4 seeds)"
    assert "kept over 2 photos, 4 seeds: 40\u202f% ± 31" in church.rows[0].told
    same = row()
    same.by_photo["church"].reading = "keeps some colour (1 photo, 4 seeds)"
    assert bars(same)[0].pooled == "The same over 2 photos."


def test_a_report_without_the_photos_own_numbers_shows_the_rows() -> None:
    old = row()
    old.by_photo = {}
    (pooled,) = bars(old)
    assert (pooled.photo, pooled.rows[0].kept, pooled.reading) == (None, "40\u202f%", old.reading)


def test_under_a_neutral_prior_nothing_is_called_invented() -> None:
    assert "invented" in bars(row())[0].rows[0].told
    told = bars(row(neutral=True))[0].rows[0].told
    assert "invented" not in told and "the same every time 49\u202f%" in told


def test_a_facet_in_which_a_photo_shows_nothing_keeps_its_line() -> None:
    blank = row()
    blank.by_photo["church"].measures = dict.fromkeys(shares(0.0))
    church, _ = bars(blank)
    assert (church.rows[0].kept, church.rows[0].told) == ("–", "nothing shown")


@pytest.mark.parametrize(("floor", "x"), [(0.07, "7.00"), (0.0, "0.00"), (-0.02, "0.00"), (1.2, "100.00")])
def test_the_control_is_a_tick_on_the_bar(floor: float, x: str) -> None:
    assert f'<path class="floor" d="M{x} 0V8"/>' in stacked([0.5, 0.3, 0.2], floor)
    assert "floor" not in stacked([0.5, 0.3, 0.2])
    assert bars(row())[0].rows[0].floor == 0.07


@pytest.mark.parametrize(
    ("value", "text"), [(-0.06, "0"), (-0.0, "0"), (-1e-9, "0"), (0.5, "50"), (1.08, "100")]
)
def test_shares_are_between_0_and_100_where_people_read_them(value: float, text: str) -> None:
    assert share(value) == f"{text}\u202f%"
    vocabulary = Vocabulary({"kept": ReportedMeasure(title="kept", unit="share of T")})
    assert float(vocabulary.text("kept.colour", value)) == pytest.approx(int(text) / 100)
    assert not re.search("[-−]", vocabulary.text("kept.colour", value))
    told = vocabulary.matrix({"kept.colour": value}, {"control": {"kept.colour": value}}, {})
    assert told is not None and told["rows"] == [["colour", f"{text}\u202f%", f"{text}\u202f%"]]
