"""A request as cells: every layer or target × prior × photo × seed, checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from torch import Tensor

from invert import photos
from invert.api import default_prior
from invert.errors import RequestError
from invert.files import slug, unique
from invert.objectives import Channel, ClassLogOdds, FeatureMatch, Neuron
from invert.protocols import Objective, Prior
from invert.subjects import Subject
from invert.sweeps.request import Request

RANDOM_WEIGHTS = "random weights"


@dataclass(frozen=True)
class Photo:
    """A photo as the network sees it: `pixels` `(1, C, H, W)` in [0, 1]."""

    id: str
    path: str
    pixels: Tensor = field(repr=False)

    @property
    def name(self) -> str:
        return Path(self.path).name


@dataclass(frozen=True)
class Cell:
    """One run: an objective under a prior from a seed. A control runs on the network with random weights."""

    id: str
    objective: Objective
    prior: Prior
    seed: int
    layer: str | None
    target: str | None
    photo: Photo | None
    control: str | None
    steps: int
    request: Request


def plan(request: Request, subject: Subject, pictures: list[Photo]) -> list[Cell]:
    """The cells of a request, seeds innermost. Raises `RequestError` for a name that is not there."""
    cells = list(_cells(request, subject, pictures))
    # Names can be alike: ImageNet has two classes called crane.
    return [replace(c, id=i) for c, i in zip(cells, unique(cell.id for cell in cells), strict=True)]


def _cells(request: Request, subject: Subject, pictures: list[Photo]) -> Iterator[Cell]:
    layers = _layers(request, subject)
    targets = list(_targets(request, subject))
    yield from _inversions(request, layers, pictures, None)
    for objective, layer, target, option in targets:
        for name in request.prior:
            prior = default_prior(name, objective.kind, **request.settings.get(name, {}))
            for seed in request.seeds:
                yield Cell(
                    id=slug(f"{layer or 'class'}-{target}-{name}-s{seed}"),
                    objective=objective,
                    prior=prior,
                    seed=seed,
                    layer=layer,
                    target=target,
                    photo=None,
                    control=None,
                    steps=request.steps or prior.steps,
                    request=request.only(prior=(name,), seeds=(seed,), image=(), controls=False, **option),
                )
    if request.controls:
        yield from _inversions(request, layers, pictures, RANDOM_WEIGHTS)


def groups(cells: list[Cell], together: int) -> Iterator[list[Cell]]:
    """Cells that differ in their seed alone, at most `together` at a time."""
    for _, same in groupby(
        cells, key=lambda c: (c.layer, c.target, c.prior, c.photo and c.photo.id, c.control)
    ):
        rest = list(same)
        while rest:
            yield rest[:together]
            rest = rest[together:]


def choose_photos(request: Request, subject: Subject) -> list[Photo]:
    """The photos of a request as the network sees them; none where it only draws classes or units."""
    if (request.classes or request.unit) and not request.layer:
        return []
    paths = photos.expand(request.image) if request.image else [photos.default_photo()]
    ids = unique(slug(path.stem) for path in paths)
    return [Photo(i, str(path), subject.image(path)) for i, path in zip(ids, paths, strict=True)]


def parse_unit(text: str) -> Channel | Neuron:
    """`conv4:17` is a channel, `conv4:17@6,6` one neuron of it, `conv4:17@` the one in the centre."""
    layer, colon, unit = text.rpartition(":")
    channel, at, position = unit.partition("@")
    places = position.split(",") if position else []
    if not (layer and colon and channel.isdecimal() and all(p.strip().isdecimal() for p in places)):
        raise RequestError(f"cannot read --unit {text!r}: it has the form LAYER:CHANNEL or LAYER:CHANNEL@Y,X")
    if not at:
        return Channel(layer, int(channel))
    return Neuron(layer, int(channel), tuple(int(p) for p in places) or None)


def _inversions(
    request: Request, layers: list[str], pictures: list[Photo], control: str | None
) -> Iterator[Cell]:
    for layer in layers:
        for name in request.prior:
            prior = default_prior(name, "feature", **request.settings.get(name, {}))
            for photo in pictures:
                for seed in request.seeds:
                    one = request.only(
                        layer=(layer,),
                        prior=(name,),
                        image=(photo.path,) if request.image else (),
                        seeds=(seed,),
                        classes=(),
                        unit=(),
                        controls=False,
                        weights="random" if control else request.weights,
                    )
                    yield Cell(
                        id=slug(f"{layer}-{name}-{photo.id}-s{seed}{'-random' if control else ''}"),
                        objective=FeatureMatch(layer, photo.pixels),
                        prior=prior,
                        seed=seed,
                        layer=layer,
                        target=None,
                        photo=photo,
                        control=control,
                        steps=request.steps or prior.steps,
                        request=one,
                    )


def _targets(
    request: Request, subject: Subject
) -> Iterator[tuple[Objective, str | None, str, dict[str, tuple[str, ...]]]]:
    for index in _classes(request, subject):
        names = subject.classes or ()
        name = names[index] if names else str(index)
        means_it = name[:1].isalpha() and "," not in name and names.count(name) == 1
        text = name if means_it else str(index)
        yield ClassLogOdds(index), None, name, {"layer": (), "classes": (text,), "unit": ()}
    for text in request.unit:
        objective = parse_unit(text).bind(subject)
        layer, _, unit = text.rpartition(":")
        yield objective, layer, unit, {"layer": (), "classes": (), "unit": (text,)}


def _layers(request: Request, subject: Subject) -> list[str]:
    names: list[str] = []
    for name in request.layer:
        names += subject.main_layers if name == "all" else [name]
    for name in names:
        subject.layer(name)
    return sorted(dict.fromkeys(names), key=lambda name: subject.layers.index(subject.layer(name)))


def _classes(request: Request, subject: Subject) -> list[int]:
    if request.classes == ("all",):
        return list(range(subject.class_count()))
    return list(dict.fromkeys(subject.class_index(name) for name in request.classes))
