"""A request as cells: every layer or target × prior × photo × seed, checked before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from torch import Tensor

from invert import photos, registry
from invert.errors import InvertError, RequestError, one_line
from invert.files import slug, unique
from invert.objectives import Channel, ClassLogOdds, FeatureMatch, Neuron
from invert.protocols import Objective, Prior, Section, Stop
from invert.settings import make_objective, make_prior, make_stop, takes_photo
from invert.subjects import Subject
from invert.subjects.classes import MOST_DIGITS
from invert.sweeps.observing import task_of, wanted
from invert.sweeps.options import AUTO, errors_of_layers
from invert.sweeps.request import Request
from invert.sweeps.restoration import AnyRequest, Restoration, kind_of

ALL = "all"
"""The layers that matter, or every class. A layer of that name is asked for as `all:1`, its only call."""

RANDOM_WEIGHTS = "random weights"

Until = Mapping[str | None, float | str | None]

NOTHING: dict[str, Any] = {"layer": (), "classes": (), "unit": (), "objective": ()}
"""What a request looks for, emptied: a cell's own asks for one thing."""


@dataclass(frozen=True)
class Photo:
    """A photo as the network sees it; read when it is looked at, as there may be more than memory holds."""

    id: str
    path: str
    read: Callable[[str], Tensor] = field(repr=False)

    @property
    def pixels(self) -> Tensor:
        """`(1, C, H, W)` in [0, 1]."""
        return self.read(self.path)

    @property
    def name(self) -> str:
        return Path(self.path).name


@dataclass(frozen=True)
class Cell:
    """One run: which it is among those of its sweep, and the request for it alone.

    Plain values, so that it can be computed elsewhere. `photo` is the id of one. A control runs on the
    network with random weights. `section` is what an objective that was asked for by name says of itself.
    """

    id: str
    layer: str | None
    target: str | None
    target_index: int | None
    photo: str | None
    control: str | None
    request: AnyRequest
    section: Section | None = None

    @property
    def objective(self) -> Section:
        if isinstance(self.request, Restoration):
            return "restoration"
        if self.section is not None:
            return self.section
        return "class" if self.request.classes else "unit" if self.request.unit else "feature"

    @property
    def posed(self) -> str | None:
        """The name of its objective, where it was asked for by name."""
        named = self.request.objective if isinstance(self.request, Request) else ()
        return named[0] if named else None

    @property
    def of_network(self) -> Request:
        """Its request, where it is about a network."""
        assert isinstance(self.request, Request)
        return self.request

    @property
    def prior(self) -> str:
        return self.request.prior[0]

    @property
    def seed(self) -> int:
        return self.request.seeds[0]

    @property
    def until(self) -> float | None:
        """The feature error at which it ends, if it matches features and ends at one."""
        if isinstance(self.request, Restoration):
            return None
        until = self.request.until
        assert not isinstance(until, str), "--until auto is a number before a cell is worked on"
        return until if self.objective == "feature" and self.posed is None else None

    def identity(self) -> dict[str, Any]:
        """What tells it from the other runs of its sweep, as a record says it."""
        return {
            "objective": self.objective,
            "layer": self.layer,
            "target": self.target,
            "target_index": self.target_index,
            "prior": self.prior,
            "image": self.photo,
            "control": self.control,
            "seed": self.seed,
        }

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "request": self.request.as_json()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Cell:
        return cls(**{**value, "request": kind_of(value["request"]).from_json(value["request"])})


def plan(request: Request, subject: Subject, pictures: list[Photo]) -> list[Cell]:
    """The cells of a request, seeds innermost. Raises `RequestError` for a name that is not there."""
    if unused := set(request.settings).difference(request.plugins):
        raise RequestError(f"--set names {min(unused)!r}, which --prior, --stop and --objective do not")
    cells = list(_cells(request, subject, pictures))
    for one in {(cell.objective, cell.posed, cell.prior): cell for cell in cells}.values():
        prior_of(one)
    stops_of(request)
    # Names can be alike: ImageNet has two classes called crane.
    return [replace(c, id=i) for c, i in zip(cells, unique(cell.id for cell in cells), strict=True)]


def plan_restoration(request: Restoration, names: Sequence[str]) -> list[Cell]:
    """The cells of a request to restore its files, which go by these names, seeds innermost."""
    task = task_of(request)
    cells = []
    for prior in request.prior:
        for number, name in enumerate(names):
            for seed in request.seeds:
                one = request.alone(number, prior=(prior,), seeds=(seed,))
                id = slug(f"{request.task}-{prior}-{name}-s{seed}")
                cells.append(Cell(id, task.title(wanted(one)), None, None, name, None, one))
    return cells


def groups(cells: list[Cell], together: int) -> Iterator[list[Cell]]:
    """Cells that differ in their seed alone, at most `together` at a time."""
    for _, same in groupby(cells, key=lambda cell: cell.identity() | {"seed": None}):
        rest = list(same)
        while rest:
            yield rest[:together]
            rest = rest[together:]


def objective_of(cell: Cell, subject: Subject, pixels: Tensor | None) -> Objective:
    """What a cell minimises; `pixels` `(1, C, H, W)` are those of its photo, if it has one."""
    if cell.posed is not None:
        return posed_by(cell.of_network, cell.posed, pixels)
    if cell.target_index is not None:
        return ClassLogOdds(cell.target_index)
    if cell.of_network.unit:
        return parse_unit(cell.of_network.unit[0]).bind(subject)
    assert cell.layer is not None
    return FeatureMatch(cell.layer, pixels)


def prior_of(cell: Cell) -> Prior:
    """The prior of a cell as it will be used: settings that the request does not name suit the objective."""
    if isinstance(cell.request, Restoration):
        return task_of(cell.request).prior(cell.prior, wanted(cell.request))
    prior = make_prior(cell.prior, **cell.request.settings.get(cell.prior, {}))
    if cell.posed is not None:
        return prior.suited(posed_by(cell.request, cell.posed, cell.photo).preset)
    return prior if cell.objective == "feature" else prior.suited("maximisation")


def stops_of(request: AnyRequest) -> list[Stop]:
    """Those that were named."""
    return [make_stop(name, **request.settings.get(name, {})) for name in request.stop]


def posed_by(request: Request, name: str, photo: Any | None) -> Objective:
    """The objective that a request asks for by name, not yet bound."""
    return make_objective(name, photo=photo, **request.settings.get(name, {}))


def choose_photos(
    request: Request, read: Callable[[str], Tensor]
) -> tuple[list[Photo], list[photos.Skipped]]:
    """The photos of a request as the network sees them, and what is left out of its folders.

    None where it only draws classes or units.
    """
    if not takes_photos(request):
        return [], []
    found, skipped = photos.read(request.image or [photos.default_photo()], lambda path: read(str(path)))
    paths = dict.fromkeys(map(str, found))  # one that is named twice is one
    ids = unique(slug(Path(path).stem) for path in paths)
    return [Photo(i, path, read) for i, path in zip(ids, paths, strict=True)], skipped


def takes_photos(request: Request) -> bool:
    """Whether it asks for something of photos."""
    return bool(request.layer) or any(map(_takes_photo, request.objective))


def photo_path(cell: Cell) -> str:
    """The file of a cell's photo: its request names no other."""
    return cell.of_network.image[0] if cell.of_network.image else str(photos.default_photo())


def parse_unit(text: str) -> Channel | Neuron:
    """`conv4:17` is a channel, `conv4:17@6,6` one neuron of it, `conv4:17@` the one in the centre."""
    layer, colon, unit = text.rpartition(":")
    channel, at, position = unit.partition("@")
    places = position.split(",") if position else []
    numbers = [channel, *(place.strip() for place in places)]
    if not (layer and colon and all(n.isdecimal() and len(n) < MOST_DIGITS for n in numbers)):
        raise RequestError(f"cannot read --unit {text!r}: it has the form LAYER:CHANNEL or LAYER:CHANNEL@Y,X")
    if not at:
        return Channel(layer, int(channel))
    return Neuron(layer, int(channel), tuple(int(p) for p in places) or None)


def _cells(request: Request, subject: Subject, pictures: list[Photo]) -> Iterator[Cell]:
    layers = _layers(request, subject)
    until = _until(request, subject, layers)
    targets = list(_targets(request, subject))
    yield from _inversions(request, layers, until, pictures, None)
    for layer, target, index, asked in targets:
        for one in _narrowed(request, image=(), until=until[None], **NOTHING | asked):
            id = slug(f"{layer or 'class'}-{target}-{one.prior[0]}-s{one.seeds[0]}")
            yield Cell(id, layer, target, index, None, None, one)
    for name in request.objective:
        if name in layers:
            raise RequestError(f"--objective {name}: --layer names a layer so called; ask for them apart")
        yield from _posed(replace(request, until=until[name]), name, subject, pictures)
    if request.controls:
        yield from _inversions(request, layers, until, pictures, RANDOM_WEIGHTS)


def _inversions(
    request: Request, layers: list[str], until: Until, pictures: list[Photo], control: str | None
) -> Iterator[Cell]:
    weights = "random" if control else request.weights
    for layer in layers:
        asked = NOTHING | {"layer": (_as_named(layer),), "photos": None, "weights": weights}
        asked |= {"until": until[layer]}
        for prior in request.prior:
            for photo in pictures:
                image = (photo.path,) if request.image else ()
                for one in _narrowed(request, prior=(prior,), image=image, **asked):
                    end = "-random" if control else ""
                    id = slug(f"{layer}-{prior}-{photo.id}-s{one.seeds[0]}{end}")
                    yield Cell(id, layer, None, None, photo.id, control, one)


def _as_named(layer: str) -> str:
    return f"{ALL}:1" if layer == ALL else layer


def _posed(request: Request, name: str, subject: Subject, pictures: list[Photo]) -> Iterator[Cell]:
    """The cells of an objective that was asked for by name: for each photo, if it takes one.

    What it is about a photo is a row of that name; what it drives up, a target.
    """
    asked = NOTHING | {"objective": (name,), "photos": None}
    shown: list[Photo | None] = [*pictures] if _takes_photo(name) else [None]
    bound = bind(posed_by(request, name, shown[0] and shown[0].pixels), name, subject)
    if (section := bound.section) == "restoration":
        raise RequestError(f"--objective {name} restores a picture, which no network is asked for")
    compares = section == "feature"
    for prior in request.prior:
        for photo in shown:
            image = (photo.path,) if photo is not None and request.image else ()
            for one in _narrowed(request, prior=(prior,), image=image, **asked):
                which = f"-{photo.id}" if photo is not None else ""
                id = slug(f"{name}-{prior}{which}-s{one.seeds[0]}")
                layer, target = (name, None) if compares else (None, name)
                yield Cell(
                    id, layer, target, bound.target_index, photo.id if photo else None, None, one, section
                )


def bind(objective: Objective, name: str, subject: Subject) -> Objective:
    """A plug-in's objective, bound; raises `RequestError` where it cannot be, whatever the plug-in raised."""
    try:
        for layer in objective.layers:
            subject.layer(layer)
        return objective.bind(subject)
    except (InvertError, MemoryError):
        raise
    except Exception as error:
        raise RequestError(f"the objective {name!r} cannot be bound: {one_line(error)}") from error


def _takes_photo(name: str) -> bool:
    return takes_photo(registry.get("invert.objectives", name))


def _narrowed(request: Request, **changes: Any) -> Iterator[Request]:
    """The request with these changes, once for each prior and seed."""
    request = replace(request, controls=False, **changes)
    for prior in request.prior:
        settings = {
            name: s
            for name, s in request.settings.items()
            if name in (prior, *request.stop, *request.objective)
        }
        for seed in request.seeds:
            yield replace(request, prior=(prior,), seeds=(seed,), settings=settings)


def _targets(
    request: Request, subject: Subject
) -> Iterator[tuple[str | None, str, int | None, dict[str, tuple[str, ...]]]]:
    """Layer, name and index of each class and unit, and the options that ask for it alone."""
    for index in _classes(request, subject):
        names = subject.classes or ()
        name = names[index] if names else str(index)
        means_it = name[:1].isalpha() and "," not in name and name != ALL and names.count(name) == 1
        text = name if means_it else str(index)
        yield None, name, index, {"classes": (text,)}
    for text in request.unit:
        parse_unit(text).bind(subject)
        layer, _, unit = text.rpartition(":")
        yield layer, unit, None, {"unit": (text,)}


def _layers(request: Request, subject: Subject) -> list[str]:
    names: list[str] = []
    for name in request.layer:
        names += subject.main_layers if name == ALL else [ALL if name == f"{ALL}:1" else name]
    for name in names:
        subject.layer(name)
    return sorted(dict.fromkeys(names), key=lambda name: subject.layers.index(subject.layer(name)))


def _until(request: Request, subject: Subject, layers: list[str]) -> Until:
    """The `--until` of each layer's and objective's cells, and of a class's or unit's (None)."""
    until = request.until
    if not isinstance(until, str) or until == AUTO:
        return dict.fromkeys([*layers, *request.objective, None], until)
    said = errors_of_layers(until)
    found: dict[str | None, float | str | None] = {None: None}
    found |= {name: said.pop(name, None) for name in request.objective}
    errors = {subject.layer(name): error for name, error in said.items()}
    found |= {layer: errors.pop(subject.layer(layer), None) for layer in layers}
    if errors:
        raise RequestError(f"--until names the layer {min(e.name for e in errors)}, which --layer does not")
    return found


def _classes(request: Request, subject: Subject) -> list[int]:
    if request.classes == ("all",):
        return list(range(subject.class_count()))
    return list(dict.fromkeys(subject.class_index(name) for name in request.classes))
