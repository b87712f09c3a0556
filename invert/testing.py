"""Conformance checks for plug-ins: what the engine relies on, as functions to call in your own tests.

    from invert.testing import check_prior

    def test_my_prior():
        check_prior(MyPrior())

Each check raises `AssertionError` with one line that says what is wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from invert.engine.optimise import Stopped, optimise
from invert.measures import Evidence, Measure, RowEvidence, RowMeasure
from invert.objectives import FeatureMatch
from invert.protocols import Canvas, Description, Objective, Prior, Shape
from invert.settings import as_json, make_prior, setting_types
from invert.subjects import Subject, wrap

__all__ = ["check_measure", "check_objective", "check_prior", "tiny_subject"]


def check_prior(prior: Prior, shape: Shape = (2, 3, 32, 32)) -> None:
    """Shape and range, gradients, repeatability, independence in a batch, rates, settings, and descent."""
    with _global_randomness_untouched():
        canvas = _start(prior, shape)
        image = canvas.train()()
        assert image.shape == shape, f"the canvas draws {tuple(image.shape)}, not the {shape} asked for"
        assert bool(((image >= 0) & (image <= 1)).all()), "the image leaves [0, 1]"
        penalty = canvas.penalty(image)
        assert penalty.shape == shape[:1], f"the penalty is {tuple(penalty.shape)}, not one number an image"
        assert bool(torch.isfinite(penalty).all()), "the penalty is not finite"
        _check_gradients(canvas, image)
        _check_repeatable(prior, shape)
        _check_independent(prior, shape)
        _check_flat_images(canvas, shape)
        _check_projection(canvas)
        _check_descent(prior, shape)
    _check_settings(prior)


def check_objective(objective: Objective, subject: Subject) -> None:
    """One finite loss an image, a gradient, images that do not influence each other, and descent."""
    with _global_randomness_untouched():
        bound = objective.bind(subject)
        assert bound.kind in ("feature", "class", "unit"), f"kind is {bound.kind!r}"
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(2, *subject.input_shape, generator=generator).requires_grad_()
        loss = _loss(bound, subject, images)
        assert loss.shape == (2,), f"the loss of two images is {tuple(loss.shape)}, not (2,)"
        assert bool(torch.isfinite(loss).all()), "the loss is not finite"
        assert bound.floor is None or bool((loss >= bound.floor).all()), "the loss is below its floor"
        (gradient,) = torch.autograd.grad(loss[0], images)
        assert bool(gradient[0].any()), "no gradient reaches the image"
        assert not bool(gradient[1].any()), "one image's loss depends on another image"
        prior = make_prior("none", learning_rate=0.05)
        first, last = _descend(prior, (1, *subject.input_shape), lambda x: _loss(bound, subject, x))
        assert last < first, f"ten steps do not lower the loss: {first:.4g} to {last:.4g}"


def check_measure(measure: type[Measure] | type[RowMeasure]) -> None:
    """The right names, each described, and numbers inside the range they state or null."""
    subject = tiny_subject()
    generator = torch.Generator().manual_seed(0)
    originals = torch.rand(2, *subject.input_shape, generator=generator)
    images = torch.rand(2, 3, *subject.input_shape, generator=generator)
    numbers: dict[str, float | None]
    with _global_randomness_untouched():
        if issubclass(measure, Measure):
            objective = FeatureMatch("conv", originals[:1]).bind(subject)
            evidence = Evidence(subject, objective, images[0, :1], originals[:1])
            descriptions = {measure.name: measure.description}
            numbers = {measure.name: measure()(evidence)}
        else:
            share = subject.layer("conv").share
            numbers, spreads = measure()(RowEvidence(subject, "conv", originals, images, share))
            descriptions = dict(measure.descriptions)
            assert set(spreads) <= set(numbers), "a spread without a number"
    for name, value in numbers.items():
        described = next(
            (d for key, d in descriptions.items() if name == key or name.startswith(f"{key}.")), None
        )
        assert described is not None, f"{name} has no description"
        _check_description(name, described)
        if value is not None:
            low, high = described.range
            # Unbiased estimates of a share may fall a little outside of it.
            slack = 0.1 if (low, high) == (0, 1) else 1e-9
            assert math.isfinite(value), f"{name} is {value}"
            assert low - slack <= value <= high + slack, f"{name} is {value}, outside {described.range}"


def tiny_subject(channels: int = 3, size: int = 32, classes: int = 5) -> Subject:
    """A small network of random weights with layers `conv`, `relu`, `pool` and `fc`, to test plug-ins on."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential()
        network.add_module("conv", nn.Conv2d(channels, 8, 5, stride=2, padding=2))
        network.add_module("relu", nn.ReLU())
        network.add_module("pool", nn.AdaptiveAvgPool2d(4))
        network.add_module("flatten", nn.Flatten())
        network.add_module("fc", nn.Linear(8 * 16, classes))
    names = [f"class {i}" for i in range(classes)]
    return wrap(network, size=size, mean=(0.5,) * channels, std=(0.25,) * channels, classes=names)


def _check_gradients(canvas: Canvas, image: Tensor) -> None:
    parameters = [p for p in canvas.parameters() if p.requires_grad]
    assert parameters, "the canvas has no parameters to optimise"
    gradients = torch.autograd.grad(image.square().sum(), parameters, allow_unused=True)
    # A bias before a batch norm has no effect, so single parameters may go without.
    reached = [gradient for gradient in gradients if gradient is not None]
    assert any(bool(gradient.any()) for gradient in reached), "no gradient reaches the parameters"
    assert all(bool(torch.isfinite(gradient).all()) for gradient in reached), "a gradient is not finite"


def _check_repeatable(prior: Prior, shape: Shape) -> None:
    one, same, other = (_start(prior, shape, seed).train()() for seed in (0, 0, 1))
    assert torch.equal(one, same), "the same generator state gives different images"
    assert not torch.equal(one, other), "the generator that start() is given makes no difference"


def _check_independent(prior: Prior, shape: Shape) -> None:
    canvas = _start(prior, shape).train()
    parameters = [p for p in canvas.parameters() if p.requires_grad]
    image = canvas()
    total = image.square().flatten(1).sum(1) + canvas.penalty(image)
    both, one, rest = (
        torch.autograd.grad(part, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
        for part in (total.sum(), total[0], total[1:].sum())
    )
    for all_together, first, others in zip(both, one, rest, strict=True):
        overlap = first.ne(0) & others.ne(0)
        assert not bool(overlap.any()), "a parameter serves two problems of the batch"
        assert torch.allclose(all_together, first + others, rtol=1e-4, atol=1e-6)


def _check_flat_images(canvas: Canvas, shape: Shape) -> None:
    flat = torch.full(shape, 0.5, requires_grad=True)
    penalty = canvas.penalty(flat)
    assert bool(torch.isfinite(penalty).all()), "the penalty of a constant image is not finite"
    if penalty.requires_grad:
        (gradient,) = torch.autograd.grad(penalty.sum(), flat)
        assert bool(torch.isfinite(gradient).all()), (
            "the penalty's gradient on a constant image is not finite"
        )


def _check_projection(canvas: Canvas) -> None:
    canvas.eval()
    parameters = set(canvas.parameters())
    for parameter, rate in canvas.rates().items():
        assert parameter in parameters, "rates() names a tensor that is no parameter of the canvas"
        assert math.isfinite(rate) and rate >= 0, f"a rate is {rate}"
    with torch.no_grad():
        canvas.project()
        once = canvas()
        canvas.project()
        assert torch.allclose(once, canvas(), atol=1e-4), "project() moves what it has brought back"


def _check_descent(prior: Prior, shape: Shape) -> None:
    ramp = torch.linspace(0.2, 0.8, shape[-1]).expand(shape)
    first, last = _descend(prior, shape, lambda x: (x - ramp).square().flatten(1).mean(1))
    assert last < first, f"ten steps towards a ramp do not lower the loss: {first:.4g} to {last:.4g}"


def _check_settings(prior: Prior) -> None:
    settings = json.loads(json.dumps(as_json(prior)))
    rebuild: Any = type(prior)
    rebuilt = rebuild(**{k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()})
    assert rebuilt == prior, "the settings do not survive JSON"
    for preset, values in prior.presets.items():
        unknown = set(values) - set(setting_types(type(prior)))
        assert not unknown, f"the preset {preset!r} has unknown settings: {', '.join(sorted(unknown))}"
        rebuild(**values)


def _check_description(name: str, description: Description) -> None:
    assert description.title and description.source, f"{name} needs a title and a source"
    assert description.better in ("higher", "lower", "neither"), f"{name}: better is {description.better!r}"


def _start(prior: Prior, shape: Shape, seed: int = 0) -> Canvas:
    return prior.start(shape, torch.Generator().manual_seed(seed))


def _descend(prior: Prior, shape: Shape, loss: Any) -> tuple[float, float]:
    events = optimise(_start(prior, shape), loss, steps=10, learning_rate=prior.learning_rate)
    stopped = list(events)[-1]
    assert isinstance(stopped, Stopped)
    total = (stopped.loss + stopped.penalty).sum(1)
    return float(total[0]), float(total[1:].min())


def _loss(objective: Objective, subject: Subject, images: Tensor) -> Tensor:
    return objective(images, subject.activations(images, objective.layers))


@contextmanager
def _global_randomness_untouched() -> Iterator[None]:
    before = torch.get_rng_state()
    yield
    assert torch.equal(before, torch.get_rng_state()), "it draws from PyTorch's global random state"
