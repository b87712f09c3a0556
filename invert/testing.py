"""Conformance checks for plug-ins: what the engine relies on, as functions to call in your own tests.

    from invert.testing import check_prior

    def test_my_prior():
        check_prior(MyPrior())

Each check raises `AssertionError` with one line that says what is wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from invert.engine.optimisation import Optimisation, Step, Stopped
from invert.measures import Evidence, Measure, RowEvidence, RowMeasure
from invert.objectives import FeatureMatch
from invert.protocols import (
    Canvas,
    Criterion,
    Description,
    Now,
    Objective,
    Operator,
    Plugin,
    Prior,
    Rngs,
    Shape,
    Stop,
)
from invert.settings import as_json, make_prior, setting_types
from invert.subjects import Subject, wrap

__all__ = [
    "check_measure",
    "check_objective",
    "check_operator",
    "check_prior",
    "check_stop",
    "tiny_subject",
]


STRIDE = 0.01
"""How far a picture of values in [0, 1] is moved to see how fast a loss changes: with less, fp32 rounds."""


def check_prior(prior: Prior, shape: Shape = (3, 32, 32)) -> None:
    """Shape and range, gradients, repeatability, two problems as one, rates, settings, and descent."""
    with _global_randomness_untouched():
        canvas = _start(prior, shape)
        image = canvas(_noise(canvas))
        wanted = (2, *shape)
        assert image.shape == wanted, f"the canvas draws {tuple(image.shape)}, not the {wanted} asked for"
        assert bool(((image >= 0) & (image <= 1)).all()), "the image leaves [0, 1]"
        penalty = canvas.penalty(image)
        assert penalty.shape == (2,), f"the penalty is {tuple(penalty.shape)}, not one number an image"
        assert bool(torch.isfinite(penalty).all()), "the penalty is not finite"
        _check_gradients(canvas, image)
        _check_repeatable(prior, shape)
        _check_noise(prior, shape)
        _check_first_is_the_one_alone(prior, shape)
        _check_independent(prior, shape)
        _check_flat_images(canvas, wanted)
        _check_after_step(canvas)
        _check_checkpoint(prior, shape)
        _check_descent(prior, shape)
    _check_settings(prior)


def check_operator(operator: Operator, shape: Shape = (3, 32, 32)) -> None:
    """Repeatability, one observation an image, a gradient, agreement with what was observed, and settings."""
    with _global_randomness_untouched():
        one, same = (operator.start(shape, torch.Generator().manual_seed(0)) for _ in range(2))
        images = torch.rand(2, *shape, generator=torch.Generator().manual_seed(1)).requires_grad_()
        seen = one(images)
        assert len(seen) == 2, f"it sees {tuple(seen.shape)} of two images: the first axis counts images"
        assert bool(torch.isfinite(seen).all()), "what it sees is not finite"
        assert torch.equal(seen, same(images)), "the same generator state sees the same image differently"
        assert torch.allclose(seen[:1], one(images[:1]), atol=1e-6), (
            "one image changes what is seen of another"
        )
        (gradient,) = torch.autograd.grad(seen.square().sum(), images)
        assert bool(gradient.any()), "no gradient reaches the image"
        picture, other = images.detach()[:1], images.detach()[1:]
        observed = one.observe(picture)
        assert observed.shape == seen[:1].shape, "what is measured is not of the shape of what is seen"
        agreed = one.consistent(other, observed)
        assert agreed.shape == other.shape, (
            f"consistent() makes {tuple(agreed.shape)} of {tuple(other.shape)}"
        )
        before, after = ((one(x) - observed).square().sum() for x in (other, agreed))
        assert after <= before + 1e-6, "consistent() leads away from what was observed"
        again = one.consistent(agreed, observed)
        assert torch.allclose(agreed, again, atol=1e-3), "consistent() moves what it has made to agree"
        shown = one.seen(observed)
        assert shown.shape == (1, *shape), f"seen() is {tuple(shown.shape)}, no picture of {shape}"
    _check_settings(operator)


def check_stop(stop: Stop) -> None:
    """One bool a problem, problems that do not influence each other, state in buffers, and settings."""
    with _global_randomness_untouched():
        images = torch.rand(30, 2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
        levels = torch.linspace(1.0, 0.1, 30)[:, None] * torch.tensor([1.0, 0.5])

        def run(criterion: Criterion, problems: slice, steps: range) -> list[Tensor]:
            decided = []
            for step in steps:
                level = levels[step, problems]
                zero = torch.zeros_like(level)
                image = images[step, problems]
                now = Now(torch.tensor([step + 1]), image, image, level, zero, level, level)
                decided.append(criterion(now))
            return decided

        both = run(stop.start(images[0]), slice(None), range(30))
        for ended in both:
            assert ended.shape == (2,) and ended.dtype == torch.bool, "it does not give one bool a problem"
        alone = run(stop.start(images[0, :1]), slice(0, 1), range(30))
        first = torch.stack(both)[:, :1]
        assert torch.equal(first, torch.stack(alone)), "one problem decides when another ends"
        whole, resumed = stop.start(images[0]), stop.start(images[0])
        run(whole, slice(None), range(15))
        resumed.load_state_dict(whole.state_dict())
        rest = [torch.stack(run(each, slice(None), range(15, 30))) for each in (whole, resumed)]
        assert torch.equal(*rest), "it goes on otherwise from its buffers: some of its state is in none"
    _check_settings(stop)


def check_objective(objective: Objective, subject: Subject) -> None:
    """One finite loss an image, the same each time and alone, a gradient that agrees with finite differences,
    images that do not influence each other, facts that a sum hands on, and descent."""
    with _global_randomness_untouched():
        bound = objective.bind(subject)
        sections = ("feature", "class", "unit", "restoration")
        assert bound.section in sections, f"section is {bound.section!r}, none of {', '.join(sections)}"
        _check_forwarded(bound)
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(2, *subject.input_shape, generator=generator).requires_grad_()
        loss = _loss(bound, subject, images)
        assert loss.shape == (2,), f"the loss of two images is {tuple(loss.shape)}, not (2,)"
        assert bool(torch.isfinite(loss).all()), "the loss is not finite"
        assert bound.floor is None or bool((loss >= bound.floor).all()), "the loss is below its floor"
        (gradient,) = torch.autograd.grad(loss[0], images)
        assert bool(gradient[0].any()), "no gradient reaches the image"
        assert not bool(gradient[1].any()), "one image's loss depends on another image"
        assert torch.equal(loss, _loss(bound, subject, images)), "the same images have another loss"
        alone = _loss(bound, subject, images[:1])
        assert torch.allclose(loss[:1], alone, rtol=1e-4, atol=1e-6), "an image alone has another loss"
        _check_slope(lambda x: _loss(bound, subject, x), images.detach()[:1], gradient[:1])
        prior = make_prior("none", learning_rate=0.05)
        first, last = _descend(prior, subject.input_shape, lambda x: _loss(bound, subject, x))
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
    one, same, other = (_start(prior, shape, seed)() for seed in (0, 0, 10))
    assert torch.equal(one, same), "the same generator state gives different images"
    assert not torch.equal(one, other), "the generator that start() is given makes no difference"


def _check_noise(prior: Prior, shape: Shape) -> None:
    """Noise where there are generators, and only from them; none in the pictures that are shown."""
    canvas = _start(prior, shape)
    assert torch.equal(canvas(), canvas()), "without generators, the same parameters give different images"
    one, same, other = (canvas(_rngs(seed)) for seed in (0, 0, 10))
    assert torch.equal(one, same), "the same generators give different noise: some comes from elsewhere"
    random = not torch.equal(one, other)
    assert canvas.draws or not random, "it draws from generators and does not say so: draws is False"


def _check_first_is_the_one_alone(prior: Prior, shape: Shape) -> None:
    both, alone = _start(prior, shape), prior.start(shape, _rngs(0)[:1])
    # To a rounding: how many values lie side by side decides how the last bit of a sigmoid falls.
    same = partial(torch.allclose, rtol=0, atol=1e-6)
    assert same(both()[:1], alone()), "the first of two problems is not the one alone"
    noisy = both(_rngs(5))[:1], alone(_rngs(5)[:1])
    assert same(*noisy), "with noise, the first of two problems is not the one alone"
    images = both()
    penalties = both.penalty(images)[:1], alone.penalty(images[:1])
    assert torch.allclose(*penalties), "the penalty of the first of two problems is not the one alone"


def _check_independent(prior: Prior, shape: Shape) -> None:
    canvas = _start(prior, shape)
    parameters = [p for p in canvas.parameters() if p.requires_grad]
    image = canvas(_noise(canvas))
    total = image.square().flatten(1).sum(1) + canvas.penalty(image)
    both, one, rest = (
        torch.autograd.grad(part, parameters, retain_graph=True, allow_unused=True, materialize_grads=True)
        for part in (total.sum(), total[0], total[1:].sum())
    )
    for all_together, first, others in zip(both, one, rest, strict=True):
        if all_together.shape[0] != 2:  # a parameter of one problem; else one row of it is each problem's
            overlap = first.ne(0) & others.ne(0)
            assert not bool(overlap.any()), "a parameter serves two problems of the batch"
        assert torch.allclose(all_together, first + others, rtol=1e-4, atol=1e-6)


def _check_flat_images(canvas: Canvas, shape: tuple[int, ...]) -> None:
    flat = torch.full(shape, 0.5, requires_grad=True)
    penalty = canvas.penalty(flat)
    assert bool(torch.isfinite(penalty).all()), "the penalty of a constant image is not finite"
    if penalty.requires_grad:
        (gradient,) = torch.autograd.grad(penalty.sum(), flat)
        assert bool(torch.isfinite(gradient).all()), (
            "the penalty's gradient on a constant image is not finite"
        )


def _check_after_step(canvas: Canvas) -> None:
    parameters = set(canvas.parameters())
    for parameter, rate in canvas.rates().items():
        assert parameter in parameters, "rates() names a tensor that is no parameter of the canvas"
        assert math.isfinite(rate) and rate >= 0, f"a rate is {rate}"
    if canvas.draws:
        return
    with torch.no_grad():
        canvas.after_step(torch.tensor(0.01), None)
        once = canvas()
        canvas.after_step(torch.tensor(0.01), None)
        assert torch.allclose(once, canvas(), atol=1e-4), "after_step() moves what it has brought back"


def _check_checkpoint(prior: Prior, shape: Shape) -> None:
    """What a checkpoint holds is enough: all that moves is in it."""
    loss = _towards_a_ramp(shape)
    one = _optimisation(prior, shape, loss)
    for event in one:
        if isinstance(event, Step) and event.step == 3:
            break
    other = _optimisation(prior, shape, loss)
    other.restore(one.state())
    ends = [list(each)[-1] for each in (one, other)]
    pictures = [end.last for end in ends if isinstance(end, Stopped)]
    assert torch.equal(*pictures), (
        "a run that goes on from a checkpoint ends elsewhere: some state is in no buffer"
    )


def _check_descent(prior: Prior, shape: Shape) -> None:
    first, last = _descend(prior, shape, _towards_a_ramp(shape))
    assert last < first, f"ten steps towards a ramp do not lower the loss: {first:.4g} to {last:.4g}"


def _check_settings(plugin: Plugin) -> None:
    settings = json.loads(json.dumps(as_json(plugin)))
    rebuild: Any = type(plugin)
    rebuilt = rebuild(**{k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()})
    assert rebuilt == plugin, "the settings do not survive JSON"
    for preset, values in plugin.presets.items():
        unknown = set(values) - set(setting_types(type(plugin)))
        assert not unknown, f"the preset {preset!r} has unknown settings: {', '.join(sorted(unknown))}"
        rebuild(**values)


def _check_forwarded(bound: Objective) -> None:
    half = 0.5 * bound
    for fact in ("original", "shape", "preset", "target_index"):
        assert getattr(half, fact) is getattr(bound, fact) or getattr(half, fact) == getattr(bound, fact), (
            f"a sum hands its {fact} on as {getattr(half, fact)!r}: it is none of its terms'"
        )
    assert half.floor == (None if bound.floor is None else bound.floor / 2), "a sum loses its floor"


def _check_description(name: str, description: Description) -> None:
    assert description.title and description.source, f"{name} needs a title and a source"
    assert description.better in ("higher", "lower", "neither"), f"{name}: better is {description.better!r}"


def _rngs(seed: int = 0) -> list[torch.Generator]:
    """For two problems."""
    return [torch.Generator().manual_seed(seed + b) for b in range(2)]


def _noise(canvas: Canvas) -> Rngs | None:
    return _rngs(7) if canvas.draws else None


def _start(prior: Prior, shape: Shape, seed: int = 0) -> Canvas:
    return prior.start(shape, _rngs(seed))


def _towards_a_ramp(shape: Shape) -> Callable[[Tensor], Tensor]:
    ramp = torch.linspace(0.2, 0.8, shape[-1]).expand(shape)
    return lambda image: (image - ramp).square().flatten(1).mean(1)


def _optimisation(prior: Prior, shape: Shape, loss: Callable[[Tensor], Tensor]) -> Optimisation:
    canvas = _start(prior, shape)
    rate = prior.learning_rate
    return Optimisation(canvas, loss, steps=10, rate=lambda _: rate, noise=_noise(canvas) or ())


def _descend(prior: Prior, shape: Shape, loss: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    stopped = list(_optimisation(prior, shape, loss))[-1]
    assert isinstance(stopped, Stopped)
    total = (stopped.loss + stopped.penalty).sum(1)
    return float(total[0]), float(total[1:].min())


def _check_slope(loss: Callable[[Tensor], Tensor], image: Tensor, gradient: Tensor) -> None:
    """That the loss `(1,)` falls as fast against its gradient as that is long: to a tenth, in fp32."""
    with torch.no_grad():
        length = float(gradient.norm())
        ahead, behind = (float(loss(image + side * STRIDE * gradient / length)) for side in (1, -1))
    slope = (ahead - behind) / (2 * STRIDE)
    assert abs(slope - length) <= 0.1 * length, (
        f"the gradient is {length:.4g} long, but the loss changes by {slope:.4g}: is part of it detached?"
    )


def _loss(objective: Objective, subject: Subject, images: Tensor) -> Tensor:
    return objective(images, subject.activations(images, objective.layers))


@contextmanager
def _global_randomness_untouched() -> Iterator[None]:
    before = torch.get_rng_state()
    yield
    assert torch.equal(before, torch.get_rng_state()), "it draws from PyTorch's global random state"
