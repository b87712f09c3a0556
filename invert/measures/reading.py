"""A row's numbers as one sentence, which says nothing that a number beside it denies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from invert.measures.measure import Numbers

Levels = tuple[tuple[str, float], ...]

LEVELS: Levels = (("all", 0.65), ("much", 0.55), ("some", 0.3), ("little", 0.2))
"""Words for a share, and where each begins. Where seeds move a share over a limit, the word becomes its
neighbour: between "all" and "some" lies "much", and between "some" and silence "little"."""
OUTLINES: Levels = (("all", 0.5), ("much", 0.4), ("some", 0.2), ("little", 0.12))
"""The same for outlines, whose score is a correlation: at 0.3 a thing is recognised, at 0.1 hardly."""
NOTHING = 0.05
"""Where all shares are below it, nothing is kept; from it to the least of the words, next to nothing."""
MOSTLY = 0.6
"""The share from which what is shown differs from seed to seed, or is made up."""
DIFFER = 0.2
"""The spread over photos from which the sentence says that they differ."""
PLACE, LOST = 0.25, 0.85
"""Displacements, as shares of the one by chance: under the first place is kept, over the second lost."""
FAINT, NEAR = 0.08, 2 / 3
"""Outlines from the first up that lie nearer than the second share of chance are seen, though faint: either
alone is not sure, one photo's outlines being alike to another's by as much."""


def reading(
    measures: Numbers,
    *,
    photos: int,
    seeds: int,
    floor: Numbers | None = None,
    spread: Numbers | None = None,
    neutral: bool = False,
) -> str | None:
    """What the layer keeps, in words; None where there is one seed, which cannot tell kept from made up.

    `floor` are the same measures under another photo's code: a share is judged by how far it is
    above that, (share − floor) / (1 − floor). `spread` is that over the photos. A `neutral` prior
    makes nothing up: what is not the photo's, and alike from every seed, is called no more than that.
    """
    if seeds < 2 or not any(name.startswith("kept.") for name in measures):
        return None
    shares = {name: share for name, share in measures.items() if _is_share(name) and share is not None}
    above = {name: _above(share, (floor or {}).get(name)) for name, share in shares.items()}
    over = f"({_count(photos, 'photo')}{_differing(shares, spread or {})}, {_count(seeds, 'seed')})"
    if not shares:
        return f"these inversions show nothing {over}"
    octaves = [name for name in measures if name.startswith("kept.cycles.")]
    keeps = _detail(octaves, above)
    keeps += _outlines(above.get("edges_kept")) + _colour(above.get("kept.colour")) + _place(measures)
    said = f"keeps {_listed(keeps)}" if keeps else _nothing(above, max(shares.values()), measures)
    return "; ".join([said, *_lost(measures, keeps, neutral)]) + f" {over}"


def _is_share(name: str) -> bool:
    return name.startswith("kept.") or name == "edges_kept"


def _above(share: float, floor: float | None) -> float:
    """How far a share is above its floor, of the way to 1."""
    floor = min(max(floor or 0.0, 0.0), 0.9)
    return (share - floor) / (1 - floor)


def _level(share: float | None, levels: Levels = LEVELS) -> str:
    """The word for a share; empty where it is too small for any, or null."""
    return next((word for word, least in levels if share is not None and share >= least), "")


def _detail(octaves: Sequence[str], above: Mapping[str, float]) -> list[str]:
    """Runs of octaves of one level, from 1 cycle up; an octave in which nothing is shown ends a run."""
    told: list[str] = []
    end = 1
    for word, run in groupby(sorted(octaves, key=_limits), lambda name: _level(above.get(name))):
        limits = [_limits(name) for name in run]
        low, high = limits[0][0], limits[-1][1]
        if word:
            reach = f"up to {high}" if low == end else f"from {low} to {high}"
            amount = "" if word == "all" else f"{word} "
            told.append(f"{word} {reach}" if told else f"{amount}detail {reach} cycles per image")
            end = high
    return told


def _limits(octave: str) -> tuple[int, int]:
    low, _, high = octave.removeprefix("kept.cycles.").partition("-")
    return int(low), int(high)


def _outlines(share: float | None) -> list[str]:
    words = {"all": "outlines", "much": "most outlines", "some": "some outlines", "little": "few outlines"}
    return [words[word]] if (word := _level(share, OUTLINES)) else []


def _colour(share: float | None) -> list[str]:
    words = {"all": "colour", "much": "much of the colour", "some": "some colour", "little": "little colour"}
    return [words[word]] if (word := _level(share)) else []


def _place(measures: Numbers) -> list[str]:
    away, chance = measures.get("place_kept"), measures.get("place_chance")
    if away is None or chance is None or away >= PLACE * chance:
        return []
    return [f"place to {max(away, 1):.0f} px"]


def _nothing(above: Mapping[str, float], largest: float, measures: Numbers) -> str:
    if largest < NOTHING:
        return "keeps nothing that these inversions show"
    if largest >= LEVELS[-1][1]:
        return "keeps little more than another photo's code shows"
    away, chance = measures.get("place_kept"), measures.get("place_chance")
    near = away is not None and chance is not None and away < NEAR * chance
    faint = near and above.get("edges_kept", 0.0) >= FAINT
    return f"keeps next to nothing{' but faint outlines' if faint else ''}"


def _lost(measures: Numbers, keeps: Sequence[str], neutral: bool) -> list[str]:
    """What is not the photo's, and why; place is lost only where nothing else is found in it."""
    told = []
    kept, free, invented = (measures.get(f"{part}.colour") for part in ("kept", "free", "invented"))
    if not _level(kept) and free is not None and invented is not None:
        made_up = "is the same every time, but not the photo's" if neutral else "is made up by the prior"
        colour = "most colour" if (kept or 0.0) >= NOTHING else "colour"
        told += [f"{colour} differs from seed to seed"] if free >= MOSTLY else []
        told += [f"{colour} {made_up}"] if invented >= MOSTLY else []
    away, chance = measures.get("place_kept"), measures.get("place_chance")
    if not keeps and away is not None and chance is not None and away > LOST * chance:
        told.append("place is lost")
    return told


def _differing(shares: Mapping[str, float], spread: Mapping[str, float | None]) -> str:
    """In what the photos differ, if they do."""
    wide = [name for name in shares if (spread.get(name) or 0.0) > DIFFER]
    called = {
        "detail": any(name.startswith("kept.cycles.") for name in wide),
        "outlines": "edges_kept" in wide,
        "colour": "kept.colour" in wide,
    }
    names = [name for name, differs in called.items() if differs]
    return f" that differ in {_listed(names)}" if names else ""


def _count(number: int, of: str) -> str:
    return f"{number} {of}" if number == 1 else f"{number} {of}s"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
