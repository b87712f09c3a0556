"""How numbers and their names are written: honest labels, few digits."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping

SHARES = ("kept", "invented", "free")
"""What a page draws as one bar, in this order: shares of what is shown (docs/measures.md)."""


def number(value: object) -> float | None:
    """The value as a finite float, or None."""
    if not isinstance(value, int | float) or abs(value) > sys.float_info.max:
        return None
    return float(value) if math.isfinite(value) else None


def short(value: object) -> str:
    """A number in about three digits; an en dash where there is none."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    known = number(value)
    if known is None:
        return "–"
    if known == int(known) and abs(known) < 1e10:
        return f"{int(known):,}".replace(",", "\u202f").replace("-", "−")
    size = abs(known)
    if size < 0.001 or size >= 100_000:
        mantissa, exponent = f"{known:.1e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    digits = max(0, (1 if size < 0.01 else 2) - math.floor(math.log10(size)))
    return f"{known:.{digits}f}".replace("-", "−")


def percent(share: float | None) -> str:
    return "–" if share is None else f"{round(100 * share)}\u202f%".replace("-", "−")


def share(value: float | None) -> str:
    """A share as people read it: a percentage between 0 and 100 (estimates may lie a little outside)."""
    return percent(None if value is None else clipped(value))


def give_or_take(value: float | None, spread: float | None) -> str:
    """A share with its standard deviation, where it has one."""
    told = share(value)
    return told if value is None or spread is None else f"{told} ± {round(100 * spread)}"


def clipped(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def probability(value: float | None) -> str:
    """A percentage that does not round to certainty or to nothing."""
    if value is not None and 0 < value < 0.005:
        return "<1\u202f%"
    return ">99\u202f%" if value is not None and 0.995 < value < 1 else percent(value)


def seconds(value: object) -> str:
    known = number(value)
    if known is None:
        return "–"
    if known < 60:
        return f"{known:.1f} s"
    minutes, rest = divmod(round(known), 60)
    return f"{minutes} min {rest:02d} s"


def facets(measures: Mapping[str, float | None]) -> list[str]:
    """The facets whose kept share is known: luminance, colour, then octaves from coarse to fine."""
    kept = f"{SHARES[0]}."
    return in_order(
        {name.removeprefix(kept) for name, v in measures.items() if name.startswith(kept) and v is not None}
    )


def in_order(names: Iterable[str]) -> list[str]:
    """Facets from coarse to fine."""
    return sorted(names, key=_facet_order)


def facet_label(facet: str) -> str:
    """`cycles.4-8` → `4–8 cycles`."""
    band = band_of(facet)
    return f"{band} cycles" if band else facet


def band_of(facet: str) -> str:
    """`cycles.4-8` → `4–8`; empty for a facet that is no octave."""
    band = facet.removeprefix("cycles.")
    return band.replace("-", "–") if band != facet else ""


def _facet_order(facet: str) -> tuple[int, float, str]:
    if facet in ("luminance", "colour"):
        return (0 if facet == "luminance" else 1, 0.0, facet)
    band = facet.removeprefix("cycles.").split("-")[0]
    try:
        return (2, float(band), facet)
    except ValueError:
        return (3, 0.0, facet)
