"""The loop: minimise `loss(image) + penalty(image)` over the parameters of a canvas.

It knows no classifier: `loss` is any function of images, so the same loop inverts a layer and,
later, restores a picture. It prints, plots and writes nothing; it yields events.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from invert.engine.capture import Capture
from invert.engine.drawn import check_drawn
from invert.protocols import Canvas

Loss = Callable[[Tensor], Tensor]
Precision = Literal["fp32", "bf16"]

RUNNING, UNTIL, PLATEAU, NOT_FINITE = range(4)
REASONS = ("steps", "until", "plateau", "not finite")


@dataclass(frozen=True)
class Started:
    """The first event: how many problems, how many numbers are optimised for each, for how many steps."""

    problems: int
    parameters: int
    steps: int


@dataclass(frozen=True)
class Step:
    """One step was done. Tensors stay on the device, so that nobody waits who does not look.

    `loss` and `penalty` are `(B,)`; `image` `(B, C, H, W)` is what they were computed on.
    """

    step: int
    loss: Tensor
    penalty: Tensor
    image: Tensor
    seconds: float


@dataclass(frozen=True)
class Stopped:
    """The last event: why each problem stopped, and what it ended with.

    `best` is the image of the least loss + penalty, in their running mean where they are smoothed
    (the first to reach `until`, where that was asked), `last` that of the last step:
    `(B, C, H, W)`. `loss` and `penalty` are the trace `(steps, B)`. `seconds` is the time in the
    loop alone, without the consumer's.
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
    it. `until` stops a problem as soon as its loss is at most that; `patience` stops it when loss +
    penalty has not fallen by 1 % for that many steps; a problem whose loss is not finite stops with
    its best kept. Where `loss` is noisy (random views), its least value is a lucky draw:
    `smoothing` above 0 chooses the best image, and sees progress, by a running mean that keeps so
    much of its past at each step. `generators` are those that `loss` draws from; with the canvas's
    own they are part of `state()`.
    """

    def __init__(
        self,
        canvas: Canvas,
        loss: Loss,
        *,
        steps: int,
        rate: Callable[[float], float],
        until: float | None = None,
        patience: int | None = None,
        precision: Precision = "fp32",
        smoothing: float = 0.0,
        generators: Sequence[torch.Generator] = (),
    ) -> None:
        self.canvas, self.loss, self.steps, self.rate = canvas, loss, steps, rate
        self.until, self.patience, self.precision = until, patience, precision
        self.smoothing = smoothing
        self.generators = [*canvas.generators(), *generators]
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
        self.capture: Capture | None = Capture(self.generators) if on_cuda else None
        with torch.no_grad():
            image = self._draw()
        self.problems, self.parameters = len(image), sum(p.numel() for p in parameters) // len(image)
        self.step, self.seconds, self.interrupted = 0, 0.0, False
        self.done = torch.zeros(1, dtype=torch.long, device=self.device)
        self.best, self.last = image.clone(), image.clone()
        blank = torch.full((self.problems,), math.inf, device=self.device)
        self.mean, self.best_mean, self.level = blank.clone(), blank.clone(), blank.clone()
        self.best_step, self.level_step, self.reason, self.ended = (
            torch.zeros(self.problems, dtype=torch.long, device=self.device) for _ in range(4)
        )
        self.trace = torch.full((2, steps, self.problems), math.nan, device=self.device)

    def __iter__(self) -> Iterator[Event]:
        yield Started(self.problems, self.parameters, self.steps)
        self.canvas.train()
        # Reading a tensor makes the host wait for the accelerator, so there it is done now and then.
        check_every = 1 if self.device.type == "cpu" else 20
        while self.step < self.steps and not self.interrupted:
            began = time.perf_counter()
            loss, penalty = self._advance()
            done = self.step % check_every == 0 and bool((self.reason != RUNNING).all())
            self.seconds += time.perf_counter() - began
            yield Step(self.step, loss, penalty, self.last.clone(), self.seconds)
            if done:
                break
        yield self._stopped()

    def interrupt(self) -> None:
        """Stop after the step in work; the best so far is kept."""
        self.interrupted = True

    def _advance(self) -> tuple[Tensor, Tensor]:
        rate = self.rate(self.step / self.steps)
        for group in self.adam.param_groups:
            group["lr"].fill_(rate * group["factor"])
        if self.capture is None:
            self._compute()
        else:
            self.capture(self._compute)
        loss, penalty = self.trace[:, self.step]
        self.step += 1
        return loss, penalty

    def _compute(self) -> None:
        """One step as operations on tensors that stay where they are: what a CUDA graph can replay."""
        self.adam.zero_grad(set_to_none=True)
        with self._autocast():
            image = self._draw()
            loss = self.loss(image).float()
        penalty = self.canvas.penalty(image)
        total = loss + penalty
        running = self.reason == RUNNING
        torch.where(running, total, 0).sum().backward()  # type: ignore[no-untyped-call]
        self.adam.step()
        with torch.no_grad():
            self.canvas.project()
            self._keep(image.detach(), loss.detach(), penalty.detach(), total.detach(), running)

    def _keep(self, image: Tensor, loss: Tensor, penalty: Tensor, total: Tensor, running: Tensor) -> None:
        self.trace.index_copy_(1, self.done, torch.stack([loss, penalty])[:, None])
        self.done += 1
        self.last.copy_(image)
        put(self.ended, running, self.done)
        finite = torch.isfinite(total)
        reached = loss <= self.until if self.until is not None else torch.zeros_like(finite)
        moved = self.smoothing * self.mean + (1 - self.smoothing) * total
        put(self.mean, running & finite, torch.where(self.mean.isinf(), total, moved))
        better = running & finite & ((self.mean < self.best_mean) | reached)
        put(self.best, better[:, None, None, None], image)
        put(self.best_mean, better, self.mean)
        put(self.best_step, better, self.done)
        fell = running & finite & (self.mean < self.level - 0.01 * self.level.abs().nan_to_num(posinf=0))
        put(self.level, fell, self.mean)
        put(self.level_step, fell, self.done)
        self._end(running & ~finite, NOT_FINITE)
        self._end(running & finite & reached, UNTIL)
        if self.patience is not None:
            self._end(running & finite & (self.done - self.level_step >= self.patience), PLATEAU)

    def _end(self, which: Tensor, reason: int) -> None:
        self.reason.masked_fill_(which & (self.reason == RUNNING), reason)

    def _draw(self) -> Tensor:
        image: Tensor = self.canvas()
        if self.device.type == "cpu":  # an accelerator would be waited for: there the result is looked at
            check_drawn(image)
        return image.float()

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _stopped(self) -> Stopped:
        unfinished = "interrupted" if self.interrupted else "steps"
        reasons = tuple(unfinished if r == RUNNING else REASONS[r] for r in self.reason.tolist())
        return Stopped(
            reasons=reasons,
            steps=tuple(self.ended.tolist()),
            best=self.best,
            best_steps=tuple(self.best_step.tolist()),
            last=self.last,
            loss=self.trace[0, : self.step],
            penalty=self.trace[1, : self.step],
            seconds=self.seconds,
        )

    _KEPT = (
        *("best", "last", "mean", "best_mean", "best_step"),
        *("level", "level_step", "reason", "ended", "trace"),
    )

    def state(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, as named tensors (no pickle is needed to save it)."""
        state = {f"canvas.{name}": value for name, value in self.canvas.state_dict().items()}
        for index, moments in self.adam.state_dict()["state"].items():
            state |= {f"adam.{index}.{name}": value for name, value in moments.items()}
        state |= {f"generator.{i}": g.get_state() for i, g in enumerate(self.generators)}
        state |= {f"kept.{name}": getattr(self, name) for name in self._KEPT}
        state["step"] = torch.tensor(self.step)
        state["seconds"] = torch.tensor(self.seconds, dtype=torch.float64)
        return {
            name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in state.items()
        }

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go on from `state()` of an optimisation that was made with the same arguments."""
        self.canvas.load_state_dict(_under("canvas.", state))
        adam = self.adam.state_dict()
        parameters = [parameter for group in self.adam.param_groups for parameter in group["params"]]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _under("adam.", state).items():
            index, moment = name.split(".")
            moments.setdefault(int(index), {})[moment] = laid_out_as(parameters[int(index)], value)
        self.adam.load_state_dict({**adam, "state": moments})
        for i, generator in enumerate(self.generators):
            generator.set_state(state[f"generator.{i}"].cpu())
        for name, value in _under("kept.", state).items():
            getattr(self, name).copy_(value)
        self.step, self.seconds = int(state["step"]), float(state["seconds"])
        self.done.fill_(self.step)


def put(into: Tensor, where: Tensor, values: Tensor) -> None:
    """Overwrite `into` with `values` where `where` is true."""
    into.copy_(torch.where(where, values, into))


def laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """A moment in the memory format of its parameter, beside which fused Adam reads it."""
    if value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, dtype=value.dtype, device=value.device).copy_(value)


def _under(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def optimise(canvas: Canvas, loss: Loss, *, steps: int, learning_rate: float) -> Iterator[Event]:
    """Minimise `loss(canvas()) + penalty` with Adam at a constant rate, yielding events.

    For schedules, stopping rules, bf16, saving and continuing see `Optimisation`.
    """
    return iter(Optimisation(canvas, loss, steps=steps, rate=lambda _: learning_rate))
