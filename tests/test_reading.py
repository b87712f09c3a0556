"""The sentence of a row: what it says, and that it says nothing its numbers deny."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invert.measures.measure import Numbers
from invert.measures.reading import LEVELS, OUTLINES, reading

BANDS = ((1, 4), (4, 8), (8, 16), (16, 32), (32, 64))


def row(*octaves: float | None, **others: float | None) -> Numbers:
    """Kept by octave, from 1 cycle up, and other numbers (`colour` is kept.colour)."""
    kept = {f"kept.cycles.{low}-{high}": share for (low, high), share in zip(BANDS, octaves, strict=False)}
    parts = ("colour", "luminance")
    return kept | {f"kept.{name}" if name in parts else name: share for name, share in others.items()}


def told(measures: Numbers, photos: int = 1, **options: object) -> str:
    sentence = reading(measures, photos=photos, seeds=4, **options)  # type: ignore[arg-type]
    assert sentence is not None
    return sentence


@pytest.mark.parametrize(
    ("measures", "sentence"),
    [
        (row(0.95, 0.7, 0.4, 0.1), "keeps detail up to 8 cycles per image and some up to 16"),
        (row(0.95, 0.6, 0.4, 0.25), "keeps detail up to 4 cycles per image, much up to 8, some up to 16 and "
         "little up to 32"),
        (row(-0.06, 0.9, 0.9, 0.1), "keeps detail from 4 to 16 cycles per image"),
        (row(0.9, None, 0.9), "keeps detail up to 4 cycles per image and all from 8 to 16"),
        (row(0.9, 0.9, edges_kept=0.8, colour=0.4, place_kept=2.2, place_chance=46.0),
         "keeps detail up to 8 cycles per image, outlines, some colour and place to 2 px"),
        (row(0.01, -0.02, place_kept=40.0, place_chance=46.0),
         "keeps nothing that these inversions show; place is lost"),
        (row(0.15, 0.0), "keeps next to nothing"),
        (row(0.15, 0.0, edges_kept=0.1, place_kept=20.0, place_chance=46.0),
         "keeps next to nothing but faint outlines"),
        (row(0.15, 0.0, edges_kept=0.1, place_kept=35.0, place_chance=46.0), "keeps next to nothing"),
        (row(0.15, 0.0, edges_kept=0.06, place_kept=20.0, place_chance=46.0), "keeps next to nothing"),
        (row(0.01, 0.0, luminance=0.4), "keeps little more than another photo's code shows"),
        (row(None, None, colour=None), "these inversions show nothing"),
    ],
)  # fmt: skip
def test_a_sentence_is_of_its_numbers(measures: Numbers, sentence: str) -> None:
    assert told(measures) == f"{sentence} (1 photo, 4 seeds)"


def test_one_seed_has_no_sentence() -> None:
    assert reading(row(0.9), photos=1, seeds=1) is None
    assert reading({"psnr": 20.0}, photos=1, seeds=4) is None


def test_a_share_is_judged_by_how_far_it_is_above_another_photos() -> None:
    assert told(row(0.7), floor=row(0.0)).startswith("keeps detail up to 4")
    assert told(row(0.7), floor=row(0.5)).startswith("keeps some detail up to 4")
    assert (
        told(row(0.7), floor=row(0.7))
        == "keeps little more than another photo's code shows (1 photo, 4 seeds)"
    )


def test_what_a_neutral_prior_shows_alike_is_not_called_made_up() -> None:
    purple = row(0.9, colour=0.05) | {"free.colour": 0.1, "invented.colour": 0.85}
    assert "colour is made up by the prior" in told(purple)
    assert "colour is the same every time, but not the photo's" in told(purple, neutral=True)
    assert "made up" not in told(purple, neutral=True)
    assert "colour differs from seed to seed" in told(purple | {"free.colour": 0.85, "invented.colour": 0.1})


def test_photos_that_differ_are_said_to() -> None:
    spread: Numbers = {"kept.colour": 0.31, "kept.cycles.1-4": 0.02}
    assert told(row(0.9, colour=0.4), 8, spread=spread).endswith("(8 photos that differ in colour, 4 seeds)")
    assert told(row(0.9, colour=0.4), 8, spread={}).endswith("(8 photos, 4 seeds)")


def test_a_word_becomes_its_neighbour_where_seeds_move_a_share() -> None:
    """Between keeping and silence lie words, each wider than seeds move a pooled share."""
    order = ["all", "much", "some", "little", ""]
    limits = [least for _, least in LEVELS]
    assert [word for word, _ in LEVELS] == order[:-1]
    for limit in limits:
        below, above = (_word(told(row(share, 0.0))) for share in (limit - 0.04, limit + 0.04))
        assert order.index(below) - order.index(above) == 1


def _word(sentence: str) -> str:
    found = re.match(r"keeps (?:(much|some|little) )?detail", sentence)
    return "" if found is None else found[1] or "all"


shares = st.none() | st.floats(-0.1, 1.1)
limits = dict(LEVELS)
WORDS = {None: "all", "much of the": "much", "most": "much", "few": "little"}


@given(
    st.lists(shares, min_size=1, max_size=5),
    st.dictionaries(st.sampled_from(["kept.colour", "kept.luminance", "edges_kept"]), shares),
    st.floats(0, 1),
    st.floats(0, 60),
    st.dictionaries(st.sampled_from(["kept.colour", "kept.cycles.1-4", "edges_kept"]), shares),
    st.booleans(),
)
def test_no_sentence_says_what_a_number_beside_it_denies(
    octaves: list[float | None], others: Numbers, split: float, place: float, floor: Numbers, neutral: bool
) -> None:
    measures: Numbers = row(*octaves) | others | {"place_kept": place, "place_chance": 46.0}
    colour = measures.get("kept.colour")
    rest = None if colour is None else 1 - colour
    measures["free.colour"] = None if rest is None else rest * split
    measures["invented.colour"] = None if rest is None else rest * (1 - split)
    sentence = told(measures, floor=floor, neutral=neutral)

    end = 1
    for word, low, reach in _detail(sentence):
        inside = [measures.get(f"kept.cycles.{a}-{b}") for a, b in BANDS if (low or end) <= a and b <= reach]
        assert inside and all(share is not None and share >= limits[word] for share in inside), sentence
        end = reach
    for name, called in (("edges_kept", "outlines"), ("kept.colour", "colour")):
        words = "(much of the|some|little|most|few)"
        claim = re.search(rf"(?:keeps|,|and) (?:{words} )?{called}(?: and|,|;| \()", sentence)
        if claim:
            share = measures[name]
            least = dict(OUTLINES if called == "outlines" else LEVELS)
            assert share is not None and share >= least[WORDS.get(claim[1], claim[1])], sentence
    kept = [v for n, v in measures.items() if v is not None and (n.startswith("kept.") or n == "edges_kept")]
    if "nothing" in sentence:
        assert all(share < limits["little"] for share in kept), sentence
    if "faint outlines" in sentence:
        assert (measures["edges_kept"] or 0) >= 0.08 and place < 46 * 2 / 3, sentence
    if "keeps nothing" in sentence:
        assert all(share < 0.05 for share in kept), sentence
    if "little more than" in sentence:
        assert any(share is not None for share in floor.values()) or measures.get("kept.luminance"), sentence
    if "colour differs" in sentence:
        assert (measures["free.colour"] or 0) >= 0.6
        assert "most" in sentence or (colour or 0) < 0.05
    if "colour is" in sentence:
        assert (measures["invented.colour"] or 0) >= 0.6
        assert ("made up" in sentence) is not neutral
    if "place to" in sentence:
        assert place < 46 / 4
    if "place is lost" in sentence:
        assert place > 46 * 0.7


def _detail(sentence: str) -> list[tuple[str, int | None, int]]:
    """Each claim on detail: its word, where it begins (None: where the last one ended) and ends."""
    claims = re.findall(
        r"(all|much|some|little)? ?(?:detail )?(?:up to|from (\d+) to) (\d+)(?! px)", sentence
    )
    return [(word or "all", int(low) if low else None, int(high)) for word, low, high in claims]
