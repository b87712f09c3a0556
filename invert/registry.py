"""Plug-ins by entry point: the built-in ones and a third party's register alike."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Literal

from invert.errors import RequestError, one_line, unknown
from invert.foreign import foreign

Group = Literal["invert.priors", "invert.objectives", "invert.measures"]
GROUPS: tuple[Group, ...] = ("invert.priors", "invert.objectives", "invert.measures")


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
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # sys.exit, too: it would end the run as if it were done
        raise RequestError(
            f"the {kind} {name!r} from {_origin(claims[0])} cannot be loaded: {one_line(error)}"
        ) from error
    bases = _bases(group)
    if not (isinstance(plugin, type) and issubclass(plugin, bases)):
        wanted = " or ".join(f"invert.{base.__name__}" for base in bases)
        raise RequestError(f"the {kind} {name!r} from {_origin(claims[0])} is no class derived from {wanted}")
    return plugin


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


def _bases(group: Group) -> tuple[type, ...]:
    """What a plug-in of the group derives from."""
    from invert.measures.measure import Measure, RowMeasure  # which looks its plug-ins up here
    from invert.protocols import Objective, Prior

    bases: dict[Group, tuple[type, ...]] = {
        "invert.priors": (Prior,),
        "invert.objectives": (Objective,),
        "invert.measures": (Measure, RowMeasure),
    }
    return bases[group]


def _origin(point: EntryPoint) -> str:
    package = f"{point.dist.name} {point.dist.version}" if point.dist else "an unnamed package"
    return f"{point.value} ({package})"
