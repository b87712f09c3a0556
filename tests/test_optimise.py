"""The loop against closed forms, with no network in sight."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from invert.engine.optimise import Optimisation, Started, Step, Stopped, optimise
from invert.protocols import Canvas


class Grey(Canvas):
    """One number an image: the grey level of its single pixel."""

    def __init__(self, levels: list[float], noise: float = 0.0) -> None:
        super().__init__()
        self.levels = nn.Parameter(torch.tensor(levels).view(-1, 1, 1, 1))
        self.noise, self.rng = noise, torch.Generator().manual_seed(0)

    def forward(self) -> Tensor:
        if not self.training or not self.noise:
            return self.levels * 1.0
        return self.levels + self.noise * torch.randn(self.levels.shape, generator=self.rng)

    def penalty(self, image: Tensor) -> Tensor:
        return 0.5 * image.flatten(1).square().sum(1)

    def generators(self) -> list[torch.Generator]:
        return [self.rng]


def towards(target: float):  # type: ignore[no-untyped-def]
    return lambda image: 0.5 * (image.flatten(1).sum(1) - target).square()


def finished(optimisation: Optimisation) -> Stopped:
    *_, stopped = optimisation
    assert isinstance(stopped, Stopped)
    return stopped


def constant(rate: float):  # type: ignore[no-untyped-def]
    return lambda fraction: rate


def test_it_finds_the_minimum_of_loss_and_penalty() -> None:
    """½(x − 0.8)² + ½x² has its minimum at 0.4."""
    stopped = finished(Optimisation(Grey([0.9]), towards(0.8), steps=400, rate=constant(0.01)))
    assert float(stopped.best) == pytest.approx(0.4, abs=1e-3)
    assert stopped.reasons == ("steps",)


def test_its_events_come_in_order() -> None:
    events = list(optimise(Grey([0.9]), towards(0.0), steps=3, learning_rate=0.1))
    assert [type(e) for e in events] == [Started, Step, Step, Step, Stopped]
    assert [e.step for e in events if isinstance(e, Step)] == [1, 2, 3]
    assert events[0] == Started(problems=1, parameters=1, steps=3)


def test_the_best_is_kept_when_the_last_is_worse() -> None:
    """A rate so large that it overshoots: the first step is the best."""
    stopped = finished(Optimisation(Grey([0.45]), towards(0.8), steps=5, rate=constant(3.0)))
    assert stopped.best_steps == (1,)
    assert float(stopped.best) == pytest.approx(0.45)
    assert float(stopped.last) != pytest.approx(0.45)


def test_until_stops_each_problem_by_itself() -> None:
    rates = Optimisation(Grey([0.1, 0.9]), towards(1.0), steps=500, rate=constant(0.01), until=0.02)
    stopped = finished(rates)
    near, far = stopped.steps[1], stopped.steps[0]
    assert near == 1
    assert near < far <= 500
    assert stopped.reasons[1] == "until"


def test_a_plateau_stops_when_asked() -> None:
    stopped = finished(Optimisation(Grey([0.4]), towards(0.8), steps=500, rate=constant(1e-6), patience=10))
    assert stopped.reasons == ("plateau",)
    assert stopped.steps[0] < 50


def test_a_loss_that_is_not_finite_stops_that_problem_alone() -> None:
    def breaks(image: Tensor) -> Tensor:
        x = image.flatten(1).sum(1)
        return torch.where(x > 0.62, torch.nan, x - 1).square()

    stopped = finished(Optimisation(Grey([0.2, 0.6]), breaks, steps=20, rate=constant(0.01)))
    assert stopped.reasons == ("steps", "not finite")
    assert bool(torch.isfinite(stopped.best).all())
    assert stopped.steps[1] < 20


def test_problems_in_a_batch_do_not_influence_each_other() -> None:
    together = finished(Optimisation(Grey([0.1, 0.9]), towards(0.5), steps=30, rate=constant(0.02)))
    for b, level in enumerate([0.1, 0.9]):
        alone = finished(Optimisation(Grey([level]), towards(0.5), steps=30, rate=constant(0.02)))
        assert torch.equal(together.best[b], alone.best[0])


@pytest.mark.parametrize("left_off", [1, 7, 19])
def test_a_restored_optimisation_goes_on_to_the_same_bits(left_off: int) -> None:
    def make() -> Optimisation:
        return Optimisation(Grey([0.1, 0.9], noise=0.1), towards(0.5), steps=20, rate=lambda f: 0.1 * (1 - f))

    whole = finished(make())
    first = make()
    for event in first:
        if isinstance(event, Step) and event.step == left_off:
            break
    second = make()
    second.restore(first.state())
    resumed = finished(second)
    for name in ("best", "last", "loss", "penalty"):
        assert torch.equal(getattr(whole, name), getattr(resumed, name)), name
    assert (whole.steps, whole.best_steps, whole.reasons) == (
        resumed.steps,
        resumed.best_steps,
        resumed.reasons,
    )


def test_an_interruption_keeps_the_best_so_far() -> None:
    optimisation = Optimisation(Grey([0.9]), towards(0.0), steps=100, rate=constant(0.01))
    events = []
    for event in optimisation:
        events.append(event)
        if isinstance(event, Step) and event.step == 5:
            optimisation.interrupt()
    stopped = events[-1]
    assert isinstance(stopped, Stopped)
    assert (stopped.reasons, stopped.steps) == (("interrupted",), (5,))
