"""A study that is gone on with: as it was, or with more of what it holds."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, TypeVar

from invert.errors import RequestError
from invert.files import followed, lies_in
from invert.foreign import model_file
from invert.sweeps.options import Said, asked
from invert.sweeps.request import Request
from invert.sweeps.restoration import AnyRequest, Restoration, kind_of
from invert.typed_json import load_object

MORE = ("layer", "classes", "unit", "objective", "prior", "image", "seeds", "file", *Restoration.one_each)
"""What a study can have more of: new cells, while those that are there stay as they are."""

PLUGINS = ("prior", "stop", "objective")
"""Of which a setting may be named."""

T = TypeVar("T", Request, Restoration)

PHOTOS = "sha256 of the photos"
FILES = "sha256 of the files"

ADVICE = (
    "more layers, classes, units, objectives, priors, photos or seeds would do; else choose another --out"
)


def held_by(folder: Path) -> AnyRequest | None:
    """The request that made a folder, None where it has none. Raises `RequestError` for a damaged one."""
    file = folder / "request.json"
    if not file.exists():
        return None
    value = load_object(file)
    kind = kind_of(value)
    names = {one.name for one in fields(kind)}
    try:
        return kind.from_json({name: entry for name, entry in value.items() if name in names})
    except RequestError as error:
        raise RequestError(f"{file}: {error}") from error


def check_programs(held: Request, said: Said, folder: Path) -> None:
    """Raises `RequestError` where a folder's request names a program that came with the folder.

    A model file is run, and whoever goes on with a folder has not said which: one that lies inside was
    put there by whoever made the folder. One that was `said` as well may be run.
    """
    for option, model in (("model", held.model), ("judge", held.judge)):
        named = model_file(model or "")
        if named and option not in said and lies_in(folder, named[0]):
            again = f"invert {shlex.quote(str(model))}" if option == "model" else f"--judge {model}"
            raise RequestError(
                f"the request in {folder} names a model file inside it, which would be run: if you trust "
                f"{named[0]}, say so yourself ({again} --resume …)"
            )


def grown(held: T, said: Said, folder: Path) -> T:
    """The request that a folder holds, with what was said beside it.

    Layers, classes, units, objectives, priors, photos and seeds come on top of those it holds; seeds are
    counted from its first. Raises `RequestError`, the differences named, where something else was said
    than it holds.
    """
    changes: dict[str, Any] = {}
    wrong: list[str] = []
    if "seeds" in said and isinstance(said["seeds"], int):
        said = {"seed": held.seeds[0], **said}
    for one, how in asked(type(held)):
        here = {option.key: said[option.key] for option in how.options if option.key in said}
        if not here:
            continue
        old: Any = getattr(held, one.name)
        new: Any = how.value(here)
        if one.name == "settings":
            changes["settings"] = _more_settings(held, new, wrong)
        elif one.name == "image":
            changes["image"] = _more_photos(held, new)
        elif isinstance(held, Restoration) and one.name in ("file", *held.one_each):
            continue
        elif one.name == "seeds":
            changes["seeds"] = tuple(sorted({*old, *new}))
        elif one.name in MORE:
            both = tuple(dict.fromkeys([*old, *new]))
            changes[one.name] = ("all",) if one.name == "classes" and "all" in both else both
        elif one.name == "controls":
            changes["controls"] = True
        elif old != new:
            wrong.append(_change(one.name, old, new))
    if isinstance(held, Restoration):
        changes.update(_more_files(held, said, wrong))
    if wrong:
        raise RequestError(f"{folder} was made by another request: {'; '.join(wrong)} ({ADVICE})")
    return replace(held, **changes)


def differences(asked: Mapping[str, Any], made_by: Mapping[str, Any]) -> list[str]:
    """What would change in the cells of a folder, in words; more cells are no difference.

    Nor is an option that came later, and so is not in the folder's request, where nothing is asked by it.
    """
    found: list[str] = []
    for name, now in asked.items():
        was = made_by.get(name)
        if name not in made_by and now in (None, [], {}, False):
            continue
        if name in (PHOTOS, FILES) and isinstance(was, dict):
            noun = name.removeprefix("sha256 of the ").removesuffix("s")
            found += [
                _change(f"sha256 of the {noun} {path}", was[path], now.get(path))
                for path in _unlike(was, now)
            ]
        elif name == "settings" and isinstance(was, dict):
            held = [each for one in PLUGINS for each in _list(made_by.get(one))]
            if _unlike(was, now) or any(each in held and each not in was for each in now):
                found.append(_change(name, was, now))
        elif name in MORE and isinstance(was, list):
            if any(each not in now for each in was):
                found.append(_change(name, was, now))
        elif was != now and not (name == "controls" and was is False):
            found.append(_change(name, was, now))
    return found


def _change(name: str, was: Any, now: Any) -> str:
    return f"{name} was {_shown(was)}, now {_shown(now)}"


def _shown(value: Any) -> str:
    """A value in words; the beginning is enough of a digest."""
    return f"{value[:8]}…" if isinstance(value, str) and len(value) == 64 else repr(value)


def _unlike(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What is no longer as it was; what is new does not count."""
    return [name for name, value in was.items() if name not in now or now[name] != value]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _more_settings(
    held: AnyRequest, new: dict[str, dict[str, str]], wrong: list[str]
) -> dict[str, dict[str, str]]:
    """Settings of plug-ins that are new; those of the others are noted as `wrong` where they differ."""
    settings = {plugin: dict(values) for plugin, values in held.settings.items()}
    there = {name for one in PLUGINS for name in _list(held.as_json().get(one))}
    for plugin, values in new.items():
        for name, value in values.items():
            was = held.settings.get(plugin, {}).get(name)
            if plugin in there and was != value:
                wrong.append(f"{plugin}.{name} was {'not set' if was is None else was}, now {value}")
            settings.setdefault(plugin, {})[name] = value
    return settings


def _more_files(held: Restoration, said: Said, wrong: list[str]) -> dict[str, Any]:
    """The files held and those that are new, each with what belongs to it; `wrong` notes what differs."""
    named: dict[str, Any] = {name: tuple(said.get(name, ())) for name in ("file", *held.one_each)}
    if not named["file"]:
        for name, new in named.items():
            if new and new != (old := getattr(held, name)):
                wrong.append(_change(name, old, new))
        return {}
    known = _by_file(held)
    for file, beside in _by_file(replace(held, **named)).items():
        before = known.setdefault(file, beside)
        for name, value in beside.items():
            if value is not None and value != before[name]:
                wrong.append(_change(f"--{name} of {file}", before[name], value))
    changes: dict[str, Any] = {"file": tuple(known)}
    for name in held.one_each:
        values = [beside[name] for beside in known.values()]
        alike = set(values) == {None} or (len(set(values)) == 1 and name != "truth")
        if None in values and not alike:
            wrong.append(f"--{name} is named for some of the files and not for all")
        changes[name] = tuple(value for value in values[: 1 if alike else None] if value is not None)
    return changes


def _by_file(request: Restoration) -> dict[str, dict[str, str | None]]:
    """What belongs to each file, None where nothing does."""
    alone = map(request.alone, range(len(request.file)))
    return {
        one.file[0]: {name: next(iter(getattr(one, name)), None) for name in one.one_each} for one in alone
    }


def _more_photos(held: Any, new: tuple[str, ...]) -> tuple[str, ...]:
    """The photos held and the new ones, each once. The photo that comes unasked has to be asked for now."""
    from invert.photos import default_photo  # imports matplotlib
    from invert.sweeps.cells import takes_photos

    old = held.image or ((str(default_photo()),) if takes_photos(held) else ())
    there = set(map(followed, old))
    return (*old, *(path for path in dict.fromkeys(new) if followed(path) not in there))
