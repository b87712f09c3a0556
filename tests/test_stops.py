"""Stops that know no truth, on films whose right last picture is known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

import invert
from invert import images
from invert.engine.optimisation import Optimisation, Step, Stopped
from invert.engine.problem import Problem
from invert.photos import default_photo
from invert.protocols import Canvas, Criterion, Now, Rngs, Stop
from invert.testing import check_stop


class Film(Canvas):
    """Shows the frames `(T, B, C, H, W)` one after the other, whatever the optimiser does."""

    frames: Tensor
    shown: Tensor

    def __init__(self, frames: Tensor) -> None:
        super().__init__()
        self.still = nn.Parameter(torch.zeros(frames.shape[1]))
        self.register_buffer("frames", frames, persistent=False)
        self.register_buffer("shown", torch.zeros(1, dtype=torch.long))

    def forward(self, rngs: Rngs | None = None) -> Tensor:
        frame = self.frames.index_select(0, self.shown.clamp(max=len(self.frames) - 1))[0]
        return frame + 0 * self.still[:, None, None, None]

    def after_step(self, rate: Tensor, rngs: Rngs | None) -> None:
        self.shown += 1


def shaking(amplitudes: Tensor) -> Tensor:
    """Frames `(T, B, 1, 4, 4)` about one picture, to and fro by `amplitudes` `(T, B)`."""
    picture = 0.3 + 0.4 * torch.rand(1, 4, 4, generator=torch.Generator().manual_seed(0))
    sign = 1 - 2 * (torch.arange(len(amplitudes)) % 2)
    return picture + (sign[:, None] * amplitudes)[:, :, None, None, None]


def valley(lowest: Sequence[int], steps: int) -> Tensor:
    """Amplitudes `(T, B)` that fall until the step `lowest` of each problem (from 1), then rise."""
    step = torch.arange(1, steps + 1)[:, None]
    return 0.02 + 0.001 * (step - torch.tensor(lowest)).abs()


def film(frames: Tensor, *stops: Stop, keep: str = "last") -> Optimisation:
    return Optimisation(
        Film(frames),
        lambda image: image.flatten(1).mean(1),
        steps=len(frames),
        rate=lambda _: 0.1,
        stops=stops,
        keep=keep,
    )


def end(optimisation: Optimisation) -> Stopped:
    *_, stopped = optimisation
    assert isinstance(stopped, Stopped)
    return stopped


@pytest.mark.parametrize("keep", ["last", "smoothed"])
def test_the_windowed_variance_is_least_half_a_window_after_the_stillest_picture(keep: str) -> None:
    frames = shaking(valley([60, 90], 200))
    stopped = end(film(frames, invert.stop("wmv", window=11, patience=25), keep=keep))
    assert stopped.best_steps == (65, 95) and stopped.steps == (90, 120)
    assert stopped.reasons == ("wmv", "wmv")
    if keep == "last":
        assert torch.equal(stopped.best, torch.stack([frames[64, 0], frames[94, 1]]))
    else:  # the running mean as it was at that step, and not as it is at the end
        *_, at_65 = film(frames[:65, :1], keep="smoothed")
        assert isinstance(at_65, Stopped) and torch.equal(stopped.best[:1], at_65.best)


def test_the_windowed_variance_is_that_of_the_pictures() -> None:
    frames = torch.rand(40, 2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    window = 8
    directly = torch.stack([
        frames[end - window : end].double().var(0, unbiased=False).flatten(1).mean(1)
        for end in range(window, 41)
    ])  # fmt: skip
    criterion = invert.stop("wmv", window=window, patience=100).start(frames[0])
    play(criterion, frames)
    torch.testing.assert_close(criterion.get_buffer("least"), directly.min(0).values)
    assert criterion.get_buffer("since").tolist() == (directly.argmin(0) + window).tolist()


def test_the_exponential_variance_is_that_of_its_weights() -> None:
    """Finch (2009): the variance under weights α(1 − α)^k, the first picture holding what is left."""
    frames = torch.rand(30, 2, 1, 3, 3, generator=torch.Generator().manual_seed(0)).double()
    alpha = 0.1
    expected = []
    for end in range(1, 31):
        weights = alpha * (1 - alpha) ** torch.arange(end - 1, -1, -1, dtype=torch.float64)
        weights[0] = (1 - alpha) ** (end - 1)
        seen, shares = frames[:end], weights.view(-1, 1, 1, 1, 1)
        mean = (shares * seen).sum(0)
        expected.append((shares * (seen - mean).square()).sum(0).flatten(1).mean(1))
    criterion = invert.stop("emv", alpha=alpha, after=1, patience=100).start(frames[0].float())
    for step, frame in enumerate(frames, start=1):
        play(criterion, frame[None].float(), first=step)
        torch.testing.assert_close(criterion.get_buffer("variance"), expected[step - 1], rtol=1e-5, atol=1e-8)


def test_the_exponential_variance_ends_its_patience_after_its_least() -> None:
    frames = shaking(valley([60, 90], 250))
    stop = invert.stop("emv", after=20, patience=30)
    stopped = end(film(frames, stop))
    assert stopped.reasons == ("emv", "emv")
    assert all(step == best + 30 for step, best in zip(stopped.steps, stopped.best_steps, strict=True))
    for best, lowest in zip(stopped.best_steps, (60, 90), strict=True):
        assert 0 < best - lowest <= 10, "it lags by about what it remembers"
    young = invert.stop("emv", after=1, patience=30)
    assert end(film(frames, young)).best_steps[0] < 5, "while it grows from nothing it is least at once"


def test_steps_that_end_before_the_patience_does_keep_the_stillest_picture() -> None:
    frames = shaking(valley([60], 80))
    stopped = end(film(frames, invert.stop("wmv", window=11, patience=1000)))
    assert stopped.reasons == ("steps",) and stopped.best_steps == (65,)
    assert torch.equal(stopped.best[0], frames[64, 0])


@pytest.mark.parametrize(
    "stop",
    [invert.stop("wmv", window=11, patience=25), invert.stop("emv", after=20, patience=25)],
    ids=lambda stop: stop.name,
)
@pytest.mark.parametrize("at", [5, 40, 64, 70])
def test_a_checkpoint_holds_the_buffers(at: int, stop: Stop) -> None:
    frames = shaking(valley([60, 90], 200))
    one, other = film(frames, stop), film(frames, stop)
    for event in one:
        if isinstance(event, Step) and event.step == at:
            break
    other.restore(one.state())
    whole, resumed = end(film(frames, stop)), end(other)
    assert (whole.steps, whole.best_steps) == (resumed.steps, resumed.best_steps)
    assert torch.equal(whole.best, resumed.best)


@pytest.mark.parametrize(
    "stop",
    [invert.stop("wmv", window=5, patience=3), invert.stop("emv", after=5, patience=3)],
    ids=lambda stop: stop.name,
)
def test_conformance_where_they_end(stop: Stop) -> None:
    check_stop(stop)


def photo() -> Tensor:
    return images.to_tensor(default_photo(), (3, 48, 48))


def test_the_discrepancy_principle_ends_where_the_noise_begins() -> None:
    noisy = invert.Observation(invert.operator("identity", sigma=0.1), photo())
    bound = noisy.bind(None)
    result = invert.restore(noisy, "none", steps=300, stops=[invert.stop("discrepancy")])
    assert result.stopped == "discrepancy" and bound.noise is not None
    assert float(result.loss[-1]) <= bound.noise < float(result.loss[-2])
    assert float(bound(photo(), {})) == pytest.approx(bound.noise, rel=0.03), "the truth's own error"


def test_the_discrepancy_principle_asks_for_noise_that_is_known() -> None:
    for operator in (invert.operator("mask"), invert.operator("identity")):
        with pytest.raises(invert.RequestError, match=r"discrepancy asks how large the noise is"):
            invert.restore(
                invert.Observation(operator, photo()), "none", steps=2, stops=[invert.stop("discrepancy")]
            )


@pytest.mark.parametrize(
    ("name", "settings", "told"),
    [
        ("wmv", {"window": 1}, "window is 1"),
        ("wmv", {"patience": 0}, "patience is 0"),
        ("emv", {"alpha": 1.0}, "alpha is 1.0"),
        ("emv", {"after": 0}, "after is 0"),
        ("discrepancy", {"error": -1}, "error is -1"),
    ],
)
def test_settings_out_of_range(name: str, settings: dict[str, float], told: str) -> None:
    with pytest.raises(invert.RequestError, match=told):
        invert.stop(name, **settings)


def play(criterion: Criterion, frames: Tensor, first: int = 1) -> None:
    zero = torch.zeros(frames.shape[1])
    for step, image in enumerate(frames, start=first):
        criterion(Now(torch.tensor([step]), image, image, zero, zero, zero, zero))


def test_the_discrepancy_is_that_of_the_picture_that_is_kept() -> None:
    """Frames swing about a picture that lies as far from what was observed as the truth does."""
    truth = images.to_float(default_photo())[:, :, :32, :32]
    known = invert.Observation(invert.operator("identity", sigma=0.1), truth).bind(None)
    assert known.target is not None
    observed = known.target
    near = observed + (truth - observed) * 0.9
    swing = 0.1 * (1 - 2 * (torch.arange(60) % 2))[:, None, None, None, None]
    stop = invert.stop("discrepancy").bind(known)
    averaged = end(film(near + swing * torch.ones_like(near), stop, keep="smoothed"))
    assert averaged.reasons == ("discrepancy",) and averaged.steps[0] < 30
    assert end(film(near + swing * torch.ones_like(near), stop, keep="last")).reasons == ("steps",)
    slow = torch.cat([truth.expand(30, -1, -1, -1), near.expand(30, -1, -1, -1)])[:, None]
    assert end(film(slow, stop, keep="last")).steps == (31,), "the picture of the step is near at once"
    assert end(film(slow, stop, keep="smoothed")).steps[0] >= 31


def test_a_longer_preset_stands_for_the_shorter() -> None:
    tv = invert.prior("tv")
    assert tv.suited("restoration-denoise") == tv.suited("restoration") != tv
    assert tv.suited("nothing-of-the-kind") == tv


def test_what_is_kept_back_is_not_shown_and_judges() -> None:
    """Frames come nearer to the truth, then leave it for the noise; what no step saw is nearest then."""
    truth = 0.2 + 0.6 * images.to_float(default_photo())[:, :, :48, :48]
    known = invert.Observation(invert.operator("identity", sigma=0.1), truth).bind(None)
    assert known.target is not None
    shown = known.keeping_back(0.2)
    assert shown.kept_back is not None and shown.kept_back.float().mean() == pytest.approx(0.2, abs=0.03)
    changed = known.target + 0.3 * shown.kept_back
    assert shown(changed, {}) == 0 and shown.error_kept_back(changed) > 0
    assert known(changed, {}) > 0, "the one it was made from looks at all"
    towards = torch.linspace(0, 1, 30)[:, None, None, None, None]
    noise = torch.where(
        shown.kept_back, torch.zeros_like(truth), known.target - truth
    )  # no step can fit more
    frames = torch.cat([0.5 + towards * (truth - 0.5), truth + towards[1:] * noise])
    frames[30:] += 0.02 * towards[1:] * (truth.flip(3) - truth)
    problem = Problem(None, known, invert.prior("none"))
    optimisation = problem.optimisation([0], 1, stops=[invert.stop("heldout")])
    assert optimisation.criteria[-1].objective.kept_back is not None
    stop = invert.stop("heldout", share=0.2, patience=20).bind(shown)
    stopped = end(film(frames, stop, keep="last"))
    assert stopped.reasons == ("heldout",) and stopped.best_steps == (30,) and stopped.steps == (50,)


def test_what_compares_nothing_keeps_nothing_back() -> None:
    with pytest.raises(invert.RequestError, match="keeps nothing back"):
        invert.stop("heldout").prepared(invert.FeatureMatch("fc6", default_photo()))
    with pytest.raises(invert.RequestError, match="share is 1"):
        invert.stop("heldout", share=1.0)
