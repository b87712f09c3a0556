"""A row's numbers as one sentence."""

from __future__ import annotations

from invert.measures.measure import Numbers

MOST, SOME = 0.6, 0.25
"""Shares of what is shown from which a facet counts as kept, and as partly kept."""


def reading(measures: Numbers) -> str | None:
    """What the layer keeps, in words; None where there is one seed, which cannot tell kept from made up."""
    octaves = [
        (int(name.rpartition("-")[2]), share)
        for name, share in measures.items()
        if name.startswith("kept.cycles.") and share is not None
    ]
    if not octaves:
        return None
    keeps: list[str] = []
    loses: list[str] = []
    _detail(octaves, keeps, loses)
    _colour(measures, keeps, loses)
    _place(measures, keeps, loses)
    kept = f"keeps {_listed(keeps)}" if keeps else "keeps nothing that these inversions show"
    return kept + (f"; {_listed(loses)}" if loses else "")


def _detail(octaves: list[tuple[int, float]], keeps: list[str], loses: list[str]) -> None:
    finest = max((high for high, share in octaves if share >= MOST), default=0)
    partly = max((high for high, share in octaves if share >= SOME), default=0)
    if finest == octaves[-1][0]:
        keeps.append("all detail")
    elif finest:
        keeps.append(f"detail up to {finest} cycles per image")
        loses.append("finer detail is not the photo's")
    elif partly:
        keeps.append(f"part of the detail up to {partly} cycles per image")


def _colour(measures: Numbers, keeps: list[str], loses: list[str]) -> None:
    kept, free = measures.get("kept.colour"), measures.get("free.colour")
    if kept is None or free is None:
        return
    if kept >= MOST:
        keeps.append("colour")
    elif kept >= SOME:
        keeps.append("some colour")
    else:
        loses.append("colour is free" if free >= 1 - kept - free else "colour is made up by the prior")


def _place(measures: Numbers, keeps: list[str], loses: list[str]) -> None:
    away, chance = measures.get("place_kept"), measures.get("place_chance")
    if away is None or chance is None:
        return
    if away < chance / 4:
        keeps.append(f"place to {max(away, 1):.0f} px")
    elif away > chance * 0.7:
        loses.append("place is lost")


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
