"""Settings of plug-ins from text, and back to JSON."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from invert import registry
from invert.errors import RequestError, unknown

if TYPE_CHECKING:
    from invert.protocols import Objective, Operator, Plugin, Prior, Stop

MOST_STEPS = 1_000_000
"""More than any inversion needs, and few enough that the trace of a run fits in memory."""

KEEP = ("best", "last", "mean", "smoothed")
"""What of the steps can be the picture (`invert.engine.keeping`)."""


def make_prior(name: str, *, preset: str | None = None, **settings: Any) -> Prior:
    """The prior registered as `name`, with a named preset's settings and then `settings` on top.

    A setting's value may be text, as typed on the command line (`"1e-3"`, `"16,32,64"`). With a
    preset, every setting is decided; without one, those that are not named here take what suits
    the objective. Raises `RequestError` for a prior, preset or setting that is not there, or a value
    out of range.
    """
    prior: Prior = make("invert.priors", name, preset=preset, **settings)
    if problem := _schedule_problem(prior):
        raise RequestError(f"{name}: {problem}")
    return prior


def make_operator(name: str, *, preset: str | None = None, **settings: Any) -> Operator:
    """The operator registered as `name`, with its settings, as `make_prior`."""
    operator: Operator = make("invert.operators", name, preset=preset, **settings)
    return operator


def make_stop(name: str, *, preset: str | None = None, **settings: Any) -> Stop:
    """The stop registered as `name`, with its settings, as `make_prior`."""
    stop: Stop = make("invert.stops", name, preset=preset, **settings)
    return stop


def make_objective(name: str, *, photo: Any = None, **settings: Any) -> Objective:
    """The objective registered as `name`, with its settings, as `make_prior`; with `photo`, if it takes one.

    Settings are the fields of its dataclass that its `repr` shows and that text can say; `photo` is no
    setting. Raises `RequestError` where one is missing that has no default.
    """
    cls = registry.get("invert.objectives", name)
    known = objective_settings(cls)
    needed = {field.name for field in _fields(cls) if not _has_default(field)}
    if unsayable := sorted(needed - set(known) - {"photo"}):
        raise RequestError(f"the objective {name!r} cannot be had by name: its {unsayable[0]} is no setting")
    if takes_photo(cls) != (photo is not None) and ("photo" in needed or photo is not None):
        raise RequestError(f"the objective {name!r} takes {'a' if photo is None else 'no'} photo")
    chosen = _converted(name, "objective", known, settings) | ({} if photo is None else {"photo": photo})
    if missing := [each for each in known if each in needed and each not in chosen]:
        raise RequestError(f"the objective {name!r} needs its {missing[0]}: --set {name}.{missing[0]}=VALUE")
    try:
        objective: Objective = cls(**chosen)
    except (ValueError, TypeError) as error:
        raise RequestError(f"{name}: {error}") from error
    return objective


def objective_settings(cls: type[Any]) -> dict[str, Any]:
    """The settings of an objective's class and the type of each; none where it is no dataclass."""
    fields = [field.name for field in _fields(cls) if field.repr and field.name != "photo"]
    hints = typing.get_type_hints(cls) if fields else {}
    return {name: hints[name] for name in fields if _sayable(hints[name])}


def takes_photo(cls: type[Any]) -> bool:
    """Whether an objective's class has a field for a photo."""
    return any(field.name == "photo" for field in _fields(cls))


def _fields(cls: type[Any]) -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(cls) if f.init] if dataclasses.is_dataclass(cls) else []


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return not (field.default is field.default_factory is dataclasses.MISSING)


def _sayable(kind: Any) -> bool:
    """Whether text can say a value of this type."""
    if typing.get_origin(kind) is typing.Literal:
        return True
    parts = [a for a in typing.get_args(kind) if a not in (type(None), Ellipsis)]
    return all(map(_sayable, parts)) if parts else kind in (int, float, bool, str)


def make(group: registry.Group, name: str, *, preset: str | None = None, **settings: Any) -> Any:
    """The plug-in registered as `name` in a group that has settings, made with them."""
    kind = group.removeprefix("invert.").removesuffix("s")
    cls = registry.get(group, name)
    if preset is not None and preset not in cls.presets:
        raise unknown(f"preset of the {kind} {name!r}", preset, cls.presets)
    types_by_name = setting_types(cls)
    chosen = {}
    if preset is not None:
        chosen = {f.name: f.default for f in dataclasses.fields(cls) if f.default is not dataclasses.MISSING}
        chosen |= cls.presets[preset]
    try:
        return cls(**chosen | _converted(name, kind, types_by_name, settings))
    except (ValueError, TypeError) as error:
        raise RequestError(f"{name}: {error}") from error


def _converted(name: str, kind: str, known: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings, perhaps text, as the types `known` by their names."""
    for setting in settings:
        if setting not in known:
            raise unknown(f"setting of the {kind} {name!r}", setting, known)
    return {each: convert(value, known[each], f"{name}.{each}") for each, value in settings.items()}


def setting_types(cls: type[Any]) -> dict[str, Any]:
    """The settings of a plug-in's class and the type of each."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def as_json(plugin: Plugin) -> dict[str, Any]:
    """A plug-in's settings as JSON values: what a record keeps, and what `make` takes back."""
    return _json(plugin, [field.name for field in dataclasses.fields(plugin)])


def objective_as_json(objective: Objective) -> dict[str, Any]:
    """As `as_json`, of an objective that was made by name."""
    return _json(objective, objective_settings(type(objective)))


def _json(held: Any, names: Iterable[str]) -> dict[str, Any]:
    values = ((name, getattr(held, name)) for name in names)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values}


def parse_assignment(text: str) -> tuple[str, str, str]:
    """`tv.weight=0.1` as plug-in, setting and value. Raises `RequestError` for another form."""
    path, equals, value = text.partition("=")
    plugin, dot, setting = path.strip().partition(".")
    if not (equals and dot and plugin and setting):
        raise RequestError(f"cannot read --set {text!r}: it has the form NAME.SETTING=VALUE")
    return plugin, setting.strip(), value.strip()


def parse_assignments(assignments: list[str]) -> dict[str, dict[str, str]]:
    """`["tv.weight=0.1", …]` as `{"tv": {"weight": "0.1"}}`. Raises `RequestError` for another form."""
    parsed: dict[str, dict[str, str]] = {}
    for prior, setting, value in map(parse_assignment, assignments):
        parsed.setdefault(prior, {})[setting] = value
    return parsed


def convert(value: Any, kind: Any, what: str) -> Any:
    """`value`, perhaps text, as a setting of type `kind`. Raises `RequestError` if it is none."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        if value is None or (isinstance(value, str) and value.lower() == "none"):
            return None
        return convert(value, next(a for a in arguments if a is not type(None)), what)
    if origin is typing.Literal:
        if value not in arguments:
            raise RequestError(f"{what} is {value!r}: choose from {', '.join(map(str, arguments))}")
        return value
    if origin is tuple:
        items = value.split(",") if isinstance(value, str) else value
        return tuple(convert(item, arguments[0], what) for item in items)
    try:
        return _scalar(value, kind)
    except (TypeError, ValueError, KeyError):
        wanted = {int: "a whole number", float: "a finite number", bool: "true or false"}.get(kind, "text")
        raise RequestError(f"{what} is {value!r}: it must be {wanted}") from None


def _scalar(value: Any, kind: type) -> Any:
    if kind is bool:
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}[
            str(value).strip().lower()
        ]
    if kind is int:
        if isinstance(value, float) and not value.is_integer():
            raise ValueError
        return int(value)
    if kind is float:
        number = float(value)
        if number != number or number in (float("inf"), float("-inf")):
            raise ValueError
        return number
    return str(value)


def _schedule_problem(prior: Prior) -> str | None:
    checks: Mapping[str, bool] = {
        f"steps is {prior.steps}: it must lie between 1 and {MOST_STEPS:,}": 1 <= prior.steps <= MOST_STEPS,
        f"learning_rate is {prior.learning_rate}: it must be above 0": prior.learning_rate > 0,
        f"warmup is {prior.warmup}: it must lie between 0 and 1": 0 <= prior.warmup <= 1,
        f"keep is {prior.keep!r}: choose from {', '.join(KEEP)}": prior.keep in KEEP,
        f"decay is {prior.decay}: it must be above 0 and at most 1": 0 < prior.decay <= 1,
    }
    return next((message for message, fine in checks.items() if not fine), None)
