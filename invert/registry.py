"""Plug-ins by entry point: the built-in ones and a third party's register alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from invert.errors import RequestError, one_line, unknown
from invert.foreign import foreign, is_end

Group = Literal["invert.priors", "invert.operators", "invert.stops", "invert.objectives", "invert.measures"]

BASES: Mapping[Group, tuple[str, ...]] = {
    "invert.priors": ("invert.protocols.Prior",),
    "invert.operators": ("invert.protocols.Operator",),
    "invert.stops": ("invert.protocols.Stop",),
    "invert.objectives": ("invert.protocols.Objective",),
    "invert.measures": ("invert.measures.measure.Measure", "invert.measures.measure.RowMeasure"),
}
"""What a plug-in of each group derives from: by name, so that nothing is imported to say it."""

GROUPS: tuple[Group, ...] = tuple(BASES)

WITH_SETTINGS: tuple[Group, ...] = ("invert.priors", "invert.operators", "invert.stops")
"""Groups whose plug-ins are frozen settings: `invert.protocols.Plugin`."""


@dataclass(frozen=True)
class Broken:
    """A plug-in that is registered but cannot be used, and why."""

    name: str
    origin: str
    reason: str


@cache
def _claims(group: Group) -> dict[str, tuple[EntryPoint, ...]]:
    claims: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=group):
        claimed = claims.get(point.name, ())
        if all(point.value != other.value for other in claimed):
            claims[point.name] = (*claimed, point)
    return claims


def names(group: Group) -> list[str]:
    """The registered names, usable or not, in alphabetical order."""
    return sorted(_claims(group))


def get(group: Group, name: str) -> Any:
    """The plug-in registered as `name`.

    Raises `RequestError` if there is none, if two claim the name, if it cannot be imported, or if it
    is of another kind.
    """
    kind = group.removeprefix("invert.").removesuffix("s")
    claims = _claims(group).get(name, ())
    if not claims:
        raise unknown(kind, name, names(group))
    if len(claims) > 1:
        raise RequestError(
            f"two plug-ins claim the {kind} {name!r}: {' and '.join(map(_origin, claims))}; uninstall one"
        )
    try:
        with foreign():
            plugin = claims[0].load()
    except BaseException as error:  # sys.exit, too: it would end the run as if it were done
        if is_end(error):
            raise
        raise RequestError(
            f"the {kind} {name!r} from {_origin(claims[0])} cannot be loaded: {one_line(error)}"
        ) from error
    problem = _problem(group, plugin)
    if problem is not None:
        raise RequestError(f"the {kind} {name!r} from {_origin(claims[0])} {problem}")
    return plugin


def summary(plugin: type) -> str:
    """The first line of a plug-in's docstring; empty where it has none."""
    return next(iter((plugin.__doc__ or "").strip().splitlines()), "")


def working(group: Group) -> dict[str, Any]:
    """All plug-ins of the group that load, by name."""
    return {name: plugin for name, plugin in _load_all(group).items() if not isinstance(plugin, Broken)}


def broken(group: Group) -> list[Broken]:
    """All plug-ins of the group that do not load, with the reason (for `invert doctor`)."""
    return [plugin for plugin in _load_all(group).values() if isinstance(plugin, Broken)]


def _load_all(group: Group) -> dict[str, Any]:
    loaded: dict[str, Any] = {}
    for name in names(group):
        try:
            loaded[name] = get(group, name)
        except RequestError as error:
            loaded[name] = Broken(name, " and ".join(map(_origin, _claims(group)[name])), str(error))
    return loaded


def _problem(group: Group, plugin: Any) -> str | None:
    """Why this is no plug-in of the group; None where it is one."""
    ancestors = {f"{base.__module__}.{base.__qualname__}" for base in getattr(plugin, "__mro__", ())[1:]}
    if not isinstance(plugin, type) or not ancestors.intersection(BASES[group]):
        wanted = " or ".join(f"invert.{base.rpartition('.')[2]}" for base in BASES[group])
        return f"is no class derived from {wanted}"
    if group in WITH_SETTINGS:
        # A class that only inherits from a dataclass would have that one's settings and none of its own.
        made = vars(plugin).get("__dataclass_params__")
        if not dataclasses.is_dataclass(plugin) or made is None or not made.frozen:
            return "is no frozen dataclass: write @dataclass(frozen=True, kw_only=True) above it"
        if not isinstance(getattr(plugin, "name", None), str):
            return 'has no name: write name: ClassVar[str] = "…" in it'
    return None


def _origin(point: EntryPoint) -> str:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed package"
    return f"{point.value} ({package})"
