"""The loop: minimise `loss(image) + penalty(image)` over the parameters of a canvas.

It knows no classifier: `loss` is any function of images, so the same loop inverts a layer and,
later, restores a picture. It prints, plots and writes nothing; it yields events.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import torch
from torch import Tensor, nn

from invert.engine.capture import Capture
from invert.engine.keeping import KEEPERS, Chosen
from invert.engine.stopping import NotFinite, put
from invert.engine.stopwatch import Stopwatch
from invert.protocols import Canvas, Now, Rngs, Stop

Value = Tensor | tuple[Tensor, Tensor]
"""The loss `(B,)`; with the error that `until` is about, where it is another."""
Loss = Callable[[Tensor], Value]
Precision = Literal["fp32", "bf16"]

RUNNING = 0
"""The reason for which a problem has ended, as long as it has not; then the number of its stop, from 1."""
LOOK_EVERY = 20
"""Steps between two looks at an accelerator: reading a tensor makes the host wait for it."""


@dataclass(frozen=True)
class Started:
    """The first event: how many problems, how many numbers are optimised for each, for how many steps."""

    problems: int
    parameters: int
    steps: int


@dataclass(frozen=True)
class Step:
    """One step was done. Tensors stay on the device, so that nobody waits who does not look.

    `loss` and `penalty` are `(B,)`; `image` `(B, C, H, W)` is what they were computed on, without the
    noise of a canvas that adds some, unless the picture is an average anyway. `settled` says that the
    device is done with it: a look costs nothing.
    """

    step: int
    loss: Tensor
    penalty: Tensor
    image: Tensor
    seconds: float
    settled: bool = True


@dataclass(frozen=True)
class Stopped:
    """The last event: why each problem stopped, and what it ended with.

    `best` is the image that was kept: unless asked otherwise that of the least loss + penalty, in
    their running mean where they are smoothed (the first to reach `until`, where that was asked);
    `last` that of the last step: `(B, C, H, W)`. `loss` and `penalty` are the trace `(steps, B)`.
    `seconds` is the time that the steps took, without the consumer's.
    """

    reasons: tuple[str, ...]
    steps: tuple[int, ...]
    best: Tensor
    best_steps: tuple[int, ...]
    last: Tensor
    loss: Tensor
    penalty: Tensor
    seconds: float


Event = Started | Step | Stopped


class Optimisation:
    """Adam on one canvas, as an iterator of events that can be saved and continued.

    `loss` maps images `(B, C, H, W)` in [0, 1] to `(B,)`. `rate(fraction)` is Adam's learning
    rate when that fraction of `steps` is done; the canvas may move some parameters at a multiple of
    it. `stops` end a problem before (`invert.engine.stopping`); one whose loss is not finite always
    ends. `keep` says what of the steps is the picture (`invert.engine.keeping`), at the last of them unless
    a stop chose one. Where `loss` is noisy
    (random views), its least value is a lucky draw: `smoothing` above 0 judges steps by a running mean
    that keeps so much of its past at each. `noise` are the generators, one a problem, for a canvas
    that draws; `generators` those that `loss` draws from. All that moves is part of `state()`.
    """

    def __init__(
        self,
        canvas: Canvas,
        loss: Loss,
        *,
        steps: int,
        rate: Callable[[float], float],
        stops: Sequence[Stop] = (),
        keep: str = "best",
        precision: Precision = "fp32",
        smoothing: float = 0.0,
        noise: Rngs = (),
        generators: Sequence[torch.Generator] = (),
    ) -> None:
        self.canvas, self.loss, self.steps, self.rate = canvas, loss, steps, rate
        self.precision, self.smoothing = precision, smoothing
        self.noise = list(noise)
        if canvas.draws and not self.noise:
            raise ValueError("the canvas draws: hand it noise, a generator a problem")
        self.generators = [*noise, *generators]
        parameters = [p for p in canvas.parameters() if p.requires_grad]
        self.device = parameters[0].device
        on_cuda = self.device.type == "cuda"
        rates = canvas.rates()
        together: dict[float, list[nn.Parameter]] = {}
        for parameter in parameters:
            together.setdefault(rates.get(parameter, 1.0), []).append(parameter)
        self.adam = torch.optim.Adam(
            [
                {"params": group, "lr": torch.tensor(0.0, device=self.device), "factor": factor}
                for factor, group in together.items()
            ],
            fused=on_cuda or self.device.type == "cpu",
            capturable=on_cuda,
        )
        self.peak = torch.tensor(0.0, device=self.device)
        self.capture: Capture | None = Capture(self.generators) if on_cuda else None
        self.watch = Stopwatch(self.device)
        with torch.no_grad():
            image = self._draw()
        self.problems, self.parameters = len(image), sum(p.numel() for p in parameters) // len(image)
        self.step, self.interrupted = 0, False
        every = (NotFinite(), *stops)
        self.reasons = ("steps", *(stop.name for stop in every))
        self.progress = Progress(image, steps)
        self.keeper = KEEPERS[keep](image, steps)
        self.quiet = canvas.draws and not self.keeper.averages
        criteria = [stop.start(image) for stop in every]
        self.criteria = nn.ModuleList(criteria)
        self.memory = nn.ModuleDict(
            {"progress": self.progress, "keeper": self.keeper, "criteria": self.criteria}
        )
        self.choosers = [criterion for criterion in criteria if criterion.chosen() is not None]
        self.chosen = Chosen(self.keeper) if self.choosers else None
        if self.chosen is not None:
            self.memory["chosen"] = self.chosen

    def __iter__(self) -> Iterator[Event]:
        yield Started(self.problems, self.parameters, self.steps)
        look_every = 1 if self.device.type == "cpu" else LOOK_EVERY
        while self.step < self.steps and not self.interrupted:
            settled = (self.step + 1) % look_every == 0
            with self.watch:
                loss, penalty = self._advance()
                done = settled and bool((self.progress.reason != RUNNING).all())
            yield Step(self.step, loss, penalty, self.progress.last.clone(), self.watch.seconds, settled)
            if done:
                break
        yield self._stopped()

    def interrupt(self) -> None:
        """Stop after the step in work; the best so far is kept."""
        self.interrupted = True

    def _advance(self) -> tuple[Tensor, Tensor]:
        rate = self.rate(self.step / self.steps)
        self.peak.fill_(rate)
        for group in self.adam.param_groups:
            group["lr"].fill_(rate * group["factor"])
        if self.capture is None:
            self._compute()
        else:
            self.capture(self._compute)
        loss, penalty = self.progress.trace[:, self.step]
        self.step += 1
        return loss, penalty

    def _compute(self) -> None:
        """One step as operations on tensors that stay where they are: what a CUDA graph can replay."""
        self.adam.zero_grad(set_to_none=True)
        with self._autocast():
            image = self._draw()
            value = self.loss(image)
        loss, error = (v.float() for v in (value if isinstance(value, tuple) else (value, value)))
        penalty = self.canvas.penalty(image)
        total = loss + penalty
        running = self.progress.reason == RUNNING
        torch.where(running, total, 0).sum().backward()  # type: ignore[no-untyped-call]
        with torch.no_grad(), self._autocast():  # of the parameters that the loss is of
            shown = self.canvas().float() if self.quiet else image.detach()
        self.adam.step()
        with torch.no_grad():
            self.canvas.after_step(self.peak, self.noise or None)
            mean = self.progress.take(shown, loss.detach(), penalty.detach(), running, self.smoothing)
            kept = self.keeper.picture
            now = Now(self.progress.done, shown, kept, loss.detach(), penalty.detach(), error.detach(), mean)
            self._judge(now, running)

    def _judge(self, now: Now, running: Tensor) -> None:
        """Keep the picture, and end the problems that a stop ends."""
        valid = running & torch.isfinite(now.loss + now.penalty)
        self.keeper(now, valid)
        ended = [criterion(now) for criterion in self.criteria]
        final = torch.zeros_like(valid)
        for criterion, which in zip(self.criteria, ended, strict=True):
            if criterion.conclusive:
                final = final | which
        self.keeper.end(now, valid & final)
        if self.chosen is not None:
            choices = [which for c in self.choosers if (which := c.chosen()) is not None]
            self.chosen(self.keeper, valid, reduce(torch.logical_or, choices, final))
        reason = self.progress.reason
        for number, which in enumerate(ended, start=1):  # the first is the one for what is not finite
            reason.masked_fill_((running if number == 1 else valid) & which & (reason == RUNNING), number)

    def _draw(self) -> Tensor:
        image: Tensor = self.canvas(self.noise or None)
        return image.float()

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _stopped(self) -> Stopped:
        kept = self.chosen or self.keeper
        unfinished = "interrupted" if self.interrupted else "steps"
        reasons = self.progress.reason.tolist()
        return Stopped(
            reasons=tuple(unfinished if r == RUNNING else self.reasons[r] for r in reasons),
            steps=tuple(self.progress.ended.tolist()),
            best=kept.picture,
            best_steps=tuple(kept.step.tolist()),
            last=self.progress.last,
            loss=self.progress.trace[0, : self.step],
            penalty=self.progress.trace[1, : self.step],
            seconds=self.watch.read(),
        )

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, as named tensors (no pickle is needed to save it)."""
        state = {f"canvas.{name}": value for name, value in self._moving().items()}
        for index, moments in self.adam.state_dict()["state"].items():
            state |= {f"adam.{index}.{name}": value for name, value in moments.items()}
        state |= {f"generator.{i}": g.get_state() for i, g in enumerate(self.generators)}
        state |= {f"memory.{name}": value for name, value in self.memory.state_dict().items()}
        state["step"] = torch.tensor(self.step)
        state["seconds"] = torch.tensor(self.watch.read(), dtype=torch.float64)
        return {
            name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in state.items()
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from `state()` of an optimisation that was made with the same arguments.

        Raises `ValueError`, and changes nothing, where it is of another.
        """
        mine = {name: (v.shape, v.dtype) for name, v in self.state().items() if name[:5] != "adam."}
        given = {name: (v.shape, v.dtype) for name, v in state.items() if name[:5] != "adam."}
        if mine != given or not 0 <= int(state["step"]) <= self.steps:
            raise ValueError("the state is of another optimisation")
        adam = self.adam.state_dict()
        parameters = [parameter for group in self.adam.param_groups for parameter in group["params"]]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("adam.", state).items():
            index, moment = name.split(".")
            if int(index) >= len(parameters) or value.shape not in (parameters[int(index)].shape, ()):
                raise ValueError("the state is of another optimisation")
            moments.setdefault(int(index), {})[moment] = laid_out_as(parameters[int(index)], value)
        self.canvas.load_state_dict(_under("canvas.", state), strict=False)
        self.adam.load_state_dict({**adam, "state": moments})
        for i, generator in enumerate(self.generators):
            generator.set_state(state[f"generator.{i}"].cpu())
        self.memory.load_state_dict(_under("memory.", state))
        self.step = int(state["step"])
        self.watch.set(float(state["seconds"]))

    def _moving(self) -> dict[str, Tensor]:
        """What of the canvas changes from step to step: not what is frozen."""
        frozen = {name for name, p in self.canvas.named_parameters() if not p.requires_grad}
        return {name: value for name, value in self.canvas.state_dict().items() if name not in frozen}


class Progress(nn.Module):
    """How far B problems are: the trace, the running mean, the last picture, why and when one ended."""

    done: Tensor
    last: Tensor
    mean: Tensor
    reason: Tensor
    ended: Tensor
    trace: Tensor

    def __init__(self, image: Tensor, steps: int) -> None:
        super().__init__()
        device, problems = image.device, len(image)
        self.register_buffer("done", torch.zeros(1, dtype=torch.long, device=device))
        self.register_buffer("last", image.clone())
        self.register_buffer("mean", torch.full((problems,), math.inf, device=device))
        self.register_buffer("reason", torch.full((problems,), RUNNING, dtype=torch.long, device=device))
        self.register_buffer("ended", torch.zeros(problems, dtype=torch.long, device=device))
        self.register_buffer("trace", torch.full((2, steps, problems), math.nan, device=device))

    def take(self, image: Tensor, loss: Tensor, penalty: Tensor, running: Tensor, smoothing: float) -> Tensor:
        """Take a step in; gives the running mean of loss + penalty."""
        self.trace.index_copy_(1, self.done, torch.stack([loss, penalty])[:, None])
        self.done += 1
        self.last.copy_(image)
        put(self.ended, running, self.done)
        total = loss + penalty
        moved = smoothing * self.mean + (1 - smoothing) * total
        valid = running & torch.isfinite(total)
        put(self.mean, valid, torch.where(self.mean.isinf(), total, moved))
        return self.mean


def laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """A moment in the memory format of its parameter, beside which fused Adam reads it."""
    if value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)


def _under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def optimise(canvas: Canvas, loss: Loss, *, steps: int, learning_rate: float) -> Iterator[Event]:
    """Minimise `loss(canvas()) + penalty` with Adam at a constant rate, yielding events.

    For schedules, stopping rules, noise, bf16, saving and continuing see `Optimisation`.
    """
    return iter(Optimisation(canvas, loss, steps=steps, rate=lambda _: learning_rate))
