"""How numbers and their names are written: honest labels, few digits."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

SHARES = ("kept", "invented", "free")
GROUPS = (*SHARES, "shown", "recovered")
FEATURE_ERROR = {
    "title": "feature error",
    "unit": "share of ‖Φ₀‖²",
    "range": [0, None],
    "better": "lower",
    "source": "‖Φ − Φ₀‖² / ‖Φ₀‖² at the layer inverted, of the picture kept, in fp32",
}


def number(value: object) -> float | None:
    """The value as a finite float, or None."""
    if isinstance(value, bool):
        return float(value)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


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


def probability(share: float | None) -> str:
    """A percentage that does not round to certainty or to nothing."""
    if share is not None and 0 < share < 0.005:
        return "<1\u202f%"
    return ">99\u202f%" if share is not None and 0.995 < share < 1 else percent(share)


def seconds(value: object) -> str:
    known = number(value)
    if known is None:
        return "–"
    if known < 60:
        return f"{known:.1f} s"
    minutes, rest = divmod(round(known), 60)
    return f"{minutes} min {rest:02d} s"


def facet_of(name: str) -> str:
    """`kept.cycles.4-8` → `cycles.4-8`; empty for a name without a group."""
    group, _, facet = name.partition(".")
    return facet if group in GROUPS else ""


def facets(measures: Mapping[str, Any]) -> list[str]:
    """The facets whose kept share is known: luminance, colour, then octaves from coarse to fine."""
    found = {
        facet_of(name) for name in measures if name.startswith("kept.") and number(measures[name]) is not None
    }
    return in_order(found)


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


def describe(name: str, measures: Mapping[str, Any]) -> dict[str, str]:
    """Label, title, unit, range, direction and source of a number, as text."""
    group = name.partition(".")[0] if facet_of(name) else name
    known = measures.get(name) or measures.get(group) or (FEATURE_ERROR if name == "feature_error" else {})
    title = str(known.get("title") or group.replace("_", " "))
    low, high = [*(known.get("range") or []), None, None][:2]
    label = _label(title)
    return {
        "name": name,
        "label": f"{group}, {facet_label(facet_of(name))}" if facet_of(name) else label,
        "title": title,
        "unit": str(known.get("unit") or ""),
        "range": f"{'−∞' if low is None else short(low)} to {'∞' if high is None else short(high)}",
        "better": {"higher": "higher is better", "lower": "lower is better"}.get(
            str(known.get("better")), ""
        ),
        "source": str(known.get("source") or ""),
    }


def _label(title: str) -> str:
    """A title up to its first qualification: `SSIM to the photo (luminance)` → `SSIM to the photo`."""
    return re.split(r" ?[,:;(=]| ‖", title, maxsplit=1)[0] or title


def hint(description: Mapping[str, str]) -> str:
    """A description in one line, for a tooltip."""
    parts = (description[part] for part in ("title", "unit", "better", "source"))
    return " · ".join(part for part in parts if part)


def _facet_order(facet: str) -> tuple[int, float, str]:
    if facet in ("luminance", "colour"):
        return (0 if facet == "luminance" else 1, 0.0, facet)
    band = facet.removeprefix("cycles.").split("-")[0]
    try:
        return (2, float(band), facet)
    except ValueError:
        return (3, 0.0, facet)
