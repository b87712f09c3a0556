"""The loop against closed forms, with no network in sight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from invert import registry
from invert.engine import stopwatch
from invert.engine.capture import HostReads
from invert.engine.keeping import KEEPERS
from invert.engine.optimisation import Optimisation, Started, Step, Stopped, optimise
from invert.engine.stopping import Plateau, Until
from invert.protocols import Canvas, Criterion, Now, Rngs, Stop
from invert.settings import make_stop


class Grey(Canvas):
    """One number an image: the grey level of its single pixel."""

    def __init__(self, levels: list[float], noise: float = 0.0) -> None:
        super().__init__()
        self.levels = nn.Parameter(torch.tensor(levels).view(-1, 1, 1, 1))
        self.noise = noise

    @property
    def draws(self) -> bool:
        return self.noise > 0

    def forward(self, rngs: Rngs | None = None) -> Tensor:
        if rngs is None:
            return self.levels * 1.0
        noise = [torch.randn(1, 1, 1, generator=rng) for rng in rngs]
        return self.levels + self.noise * torch.stack(noise)

    def penalty(self, image: Tensor) -> Tensor:
        return 0.5 * image.flatten(1).square().sum(1)


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
    rates = Optimisation(
        Grey([0.1, 0.9]), towards(1.0), steps=500, rate=constant(0.01), stops=[Until(error=0.02)]
    )
    stopped = finished(rates)
    near, far = stopped.steps[1], stopped.steps[0]
    assert near == 1
    assert near < far <= 500
    assert stopped.reasons[1] == "until"


def test_a_plateau_stops_when_asked() -> None:
    stopped = finished(
        Optimisation(Grey([0.4]), towards(0.8), steps=500, rate=constant(1e-6), stops=[Plateau(patience=10)])
    )
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
        rngs = [torch.Generator().manual_seed(seed) for seed in (0, 1)]
        canvas = Grey([0.1, 0.9], noise=0.1)
        return Optimisation(canvas, towards(0.5), steps=20, rate=lambda f: 0.1 * (1 - f), noise=rngs)

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


def test_a_picture_holds_no_noise() -> None:
    """Steps are taken with it; what is kept and shown is drawn without."""
    rngs = [torch.Generator().manual_seed(0)]
    canvas = Grey([0.5], noise=0.3)
    run = Optimisation(canvas, towards(0.5), steps=3, rate=constant(0.0), noise=rngs)
    *steps, stopped = list(run)[1:]
    assert isinstance(stopped, Stopped)
    for image in (stopped.best, stopped.last, *(s.image for s in steps if isinstance(s, Step))):
        assert float(image) == 0.5
    assert len(set(stopped.loss.flatten().tolist())) == 3


@pytest.mark.parametrize("keep", ["best", "last", "mean", "smoothed"])
def test_what_of_the_steps_is_the_picture(keep: str) -> None:
    """Levels 0.9, 0.8, 0.7, 0.6 against a target of 0.8, by a rate that moves them 0.1 a step."""
    run = Optimisation(
        Grey([0.9]), lambda image: (image.flatten(1).sum(1) - 0.8).abs() + 1e-3 * image.flatten(1).sum(1),
        steps=4, rate=constant(0.1), keep=keep,
    )  # fmt: skip
    levels = [float(event.image) for event in run if isinstance(event, Step)]
    wanted = {
        "best": min(levels, key=lambda x: abs(x - 0.8) + 1e-3 * x + 0.5 * x**2),
        "last": levels[-1],
        "mean": sum(levels[2:]) / 2,
        "smoothed": sum(0.99 ** (3 - i) * x for i, x in enumerate(levels)) / sum(0.99**i for i in range(4)),
    }[keep]
    assert float(run.keeper.picture) == pytest.approx(wanted, abs=1e-6)


def test_a_state_of_another_optimisation_is_refused_and_changes_nothing() -> None:
    def make(levels: list[float], steps: int = 5) -> Optimisation:
        return Optimisation(Grey(levels), towards(0.0), steps=steps, rate=constant(0.1))

    one, other = make([0.5]), make([0.1, 0.9])
    list(one)
    before = other.state()
    with pytest.raises(ValueError, match="another optimisation"):
        other.restore(one.state())
    for name, value in other.state().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0, equal_nan=True)
    with pytest.raises(ValueError, match="another optimisation"):
        make([0.5], steps=6).restore(one.state())


def test_a_frozen_part_is_in_no_checkpoint() -> None:
    class Frozen(Grey):
        def __init__(self) -> None:
            super().__init__([0.5, 0.6])
            self.decoder = nn.Linear(8, 8).requires_grad_(False)
            self.register_buffer("input", torch.zeros(8), persistent=False)
            self.register_buffer("mask", torch.ones(2))

    run = Optimisation(Frozen(), towards(0.0), steps=2, rate=constant(0.1))
    names = {name for name in run.state() if name.startswith("canvas.")}
    assert names == {"canvas.levels", "canvas.mask"}
    list(run)
    again = Optimisation(Frozen(), towards(0.0), steps=2, rate=constant(0.1))
    again.restore(run.state())
    assert torch.equal(again.canvas(), run.canvas())


def test_a_stop_of_ones_own_ends_a_run_and_says_its_name() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Third(Stop):
        name: ClassVar[str] = "third"

        def start(self, image: Tensor) -> Criterion:
            class AtThree(Criterion):
                conclusive = True

                def forward(self, now: Now) -> Tensor:
                    return (now.step >= 3).expand(len(now.loss))

            return AtThree()

    stopped = finished(Optimisation(Grey([0.4]), towards(0.8), steps=9, rate=constant(-0.1), stops=[Third()]))
    assert (stopped.reasons, stopped.steps, stopped.best_steps) == (("third",), (3,), (3,))


def test_a_canvas_that_draws_is_not_run_without_its_noise() -> None:
    with pytest.raises(ValueError, match="hand it noise"):
        Optimisation(Grey([0.5], noise=0.3), towards(0.5), steps=1, rate=constant(0.1))


@pytest.mark.parametrize("keep", KEEPERS)
@pytest.mark.parametrize("stop", registry.names("invert.stops"))
def test_a_step_reads_nothing_back_to_the_host(stop: str, keep: str) -> None:
    """On a GPU that would make every step wait: whatever ends the run, whatever is kept."""
    rngs = [torch.Generator().manual_seed(0)]
    canvas = Grey([0.5], noise=0.1)
    stops = [make_stop(stop)]
    run = Optimisation(canvas, towards(0.2), steps=8, rate=constant(0.1), stops=stops, keep=keep, noise=rngs)
    for _ in range(3):  # Adam makes its state in the first
        run._advance()
    with HostReads() as reads:
        run._advance()
        run._advance()
    assert reads.found == set()


class Clockwork:
    """As a CUDA event: its time is known once the device has come by."""

    now, come = 0.0, 0.0

    def record(self, stream: object) -> None:
        Clockwork.now += 1000.0
        self.at = Clockwork.now

    def query(self) -> bool:
        return self.at <= Clockwork.come

    def synchronize(self) -> None:
        Clockwork.come = max(Clockwork.come, self.at)

    def elapsed_time(self, other: Clockwork) -> float:
        return other.at - self.at


def test_on_cuda_the_devices_own_time_counts_and_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step is asked for in no time, and done a second after the one before."""
    monkeypatch.setattr(stopwatch, "_event", Clockwork)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    watch = stopwatch.Stopwatch(torch.device("cuda"))
    for _ in range(3):
        with watch:
            pass
    assert watch.seconds == 0.0, "the device has not come by yet, and is not waited for"
    Clockwork.come = 2000.0
    assert watch.seconds == 1.0
    assert watch.read() == 3.0
    watch.set(10.0)
    with watch:
        pass
    assert watch.read() == 11.0
