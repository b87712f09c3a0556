"""The same class under two networks' names."""

from __future__ import annotations

import re
from collections.abc import Sequence


def match(name: str, index: int, names: Sequence[str], others: Sequence[str]) -> int | None:
    """The index in `others` of the class `name`, which is number `index` of `names`; None where unclear.

    The same number where both networks list the same classes; else the one class of that very
    name, by the first of: as written; by any of its synonyms (`tench, Tinca tinca`), whatever the
    case and the hyphens; by all words of the one in the other (`church` in `church building`).
    Several candidates are none: ImageNet has two classes called crane. So is one that another of
    `names` names better: `cassette` is not the `cassette player` of a network without cassettes.
    """
    if tuple(names) == tuple(others):
        return index
    wanted = synonyms(name)
    words = [set(synonym.split()) for synonym in wanted]

    def within(other: str) -> bool:
        theirs = [set(synonym.split()) for synonym in synonyms(other)]
        alike = any(mine <= their or their <= mine for mine in words for their in theirs)
        return alike and not any(same_name(other, better) for better in names if better != name)

    for candidates in (
        [i for i, other in enumerate(others) if other == name],
        [i for i, other in enumerate(others) if wanted & synonyms(other)],
        [i for i, other in enumerate(others) if within(other)],
    ):
        if candidates:
            return candidates[0] if len(candidates) == 1 else None
    return None


def same_name(one: str, other: str) -> bool:
    """Whether two names share a synonym: `golf_ball` is `golf ball`."""
    return bool(synonyms(one) & synonyms(other))


def synonyms(name: str) -> set[str]:
    """The parts of a class name between commas, lower case, with punctuation as spaces."""
    parts = (" ".join(re.findall(r"\w+", part.replace("_", " ").casefold())) for part in name.split(","))
    return {part for part in parts if part}
