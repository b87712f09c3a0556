"""An objective, the network it is bound to (if it reads one) and a prior: what the loop minimises."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

import torch
from torch import Tensor

from invert.engine.devices import choose_precision
from invert.engine.drawn import check_drawn
from invert.engine.optimisation import Optimisation, Value
from invert.engine.redirect import redirect_dead_relus
from invert.engine.stopping import Floor, Plateau, Until
from invert.engine.views import RandomViews, Viewer, views_for
from invert.errors import RequestError, RunError
from invert.protocols import Canvas, Network, Objective, Prior, Stop
from invert.settings import MOST_STEPS

SMOOTHING = 0.9
"""How much of its past the running mean keeps by which an image is chosen where views make the loss noisy."""


@dataclass(frozen=True)
class Problem:
    """A bound objective, and the prior under which it will be solved.

    `network` is what the objective was bound to, None where it reads no layers.
    """

    network: Network | None
    objective: Objective
    prior: Prior
    views: RandomViews | None = None
    place: str | torch.device = "cpu"
    """Where it is solved, if no network says so."""

    @classmethod
    def pose(
        cls,
        network: Network | None,
        objective: Objective,
        prior: Prior,
        views: int | RandomViews | None = None,
    ) -> Problem:
        """Bind the objective, and take what suits it of the prior's presets and of random views.

        Raises `RequestError` where it needs a network and there is none, or where it is about images of
        another shape than the network takes.
        """
        if network is None and objective.layers:
            raise RequestError(f"{objective} reads {', '.join(objective.layers)}: it needs a network")
        bound = objective.bind(network)
        if network is None and bound.shape is None:
            raise RequestError(f"{objective} does not say of what shape its image is: it needs a network")
        if network is not None and bound.layers and bound.shape not in (None, network.input_shape):
            raise RequestError(
                f"{objective} is about images of {bound.shape}, the network takes {network.input_shape}"
            )
        return cls(network, bound, prior.suited(bound.preset), views_for(bound.views, views))

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of the image."""
        shape = self.objective.shape
        if shape is None:
            assert self.network is not None
            return self.network.input_shape
        return shape

    @property
    def device(self) -> torch.device:
        return torch.device(self.place) if self.network is None else self.network.device

    def optimisation(
        self,
        seeds: Sequence[int],
        steps: int | None = None,
        *,
        until: float | None = None,
        patience: int | None = None,
        stops: Sequence[Stop] = (),
        precision: str = "auto",
    ) -> Optimisation:
        """The loop, ready to iterate, with one problem a seed, solved together and independent.

        It ends at the error `until` (by default the objective's floor), on a plateau of `patience`
        steps, and by any of `stops`.
        """
        objective = reduce(lambda shown, stop: stop.prepared(shown), stops, self.objective)
        shown = replace(self, objective=objective)
        random = [torch.Generator().manual_seed(seed) for seed in seeds]
        canvas = self.prior.start(self.shape, random).to(self.device)
        noise = self._generators(random) if canvas.draws else []
        viewer = None if self.views is None else self.views.start(self._generators(random))
        if self.objective.checks_gradient:
            self._check_gradient(canvas)
        chosen = choose_precision(precision, self.device)
        held_in = torch.bfloat16 if chosen == "bf16" else None
        layers = self.objective.layers
        watched = self.network.prepared(layers, held_in) if self.network and layers else self.network
        optimisation = Optimisation(
            canvas,
            lambda image: shown.value(image, viewer, watched),
            steps=_checked_steps(self.prior.steps if steps is None else steps),
            rate=lambda fraction: learning_rate(self.prior, fraction),
            stops=[*self._stops(until, patience), *(stop.bind(objective) for stop in stops)],
            keep=self.prior.keep,
            precision=chosen,
            smoothing=SMOOTHING if viewer else 0.0,
            noise=noise,
            generators=viewer.generators() if viewer else (),
        )
        check_drawn(optimisation.progress.last)  # what it starts from; the result is looked at again
        return optimisation

    def loss(self, image: Tensor) -> Tensor:
        """The objective of images `(B, C, H, W)`: `(B,)`."""
        value = self.value(image)
        return value[0] if isinstance(value, tuple) else value

    def value(self, image: Tensor, viewer: Viewer | None = None, network: Network | None = None) -> Value:
        """The objective of images `(B, C, H, W)`, its mean over each and its views: `(B,)`.

        With the error that `until` is about, where that is not the loss itself.
        """
        network = network or self.network
        seen = image if viewer is None else viewer(image)
        layers = self.objective.layers
        activations = network.activations(seen, layers) if network is not None and layers else {}
        loss = self.objective(seen, activations)
        if self.objective.redirects_relus:
            redirect_dead_relus(loss, image)
        error = None
        if self.objective.terms[0][1] is not self.objective:
            with torch.no_grad():
                error = self.objective.error(seen, activations)
        mean = loss.view(len(image), -1).mean(1)
        return mean if error is None else (mean, error.view(len(image), -1).mean(1))

    def reason(self, reason: str, loss: Tensor) -> str:
        """Why it stopped; `did not move` where a loss that must move was the same all along."""
        still = self.objective.must_move and len(loss) > 1 and bool((loss == loss[0]).all())
        return "did not move" if still else reason

    def _stops(self, until: float | None, patience: int | None) -> list[Stop]:
        stops: list[Stop] = []
        if until is not None:
            stops.append(Until(error=until))
        elif self.objective.floor is not None:
            stops.append(Floor(loss=self.objective.floor))
        if patience is not None:
            stops.append(Plateau(patience=patience))
        return stops

    def _generators(self, random: Sequence[torch.Generator]) -> list[torch.Generator]:
        """One a problem on the device, each seeded from that of its problem."""
        seeds = [int(torch.randint(2**62, (), generator=rng)) for rng in random]
        return [torch.Generator(self.device).manual_seed(seed) for seed in seeds]

    def _check_gradient(self, canvas: Canvas) -> None:
        """Raise `RunError` where the objective has no gradient at the start: nothing would be drawn."""
        with torch.no_grad():
            image = canvas().float()
        loss = self.loss(image.requires_grad_())
        (gradient,) = torch.autograd.grad(loss.sum(), image)
        floor = -math.inf if self.objective.floor is None else self.objective.floor
        if not (gradient.flatten(1).any(1) | (loss <= floor)).all():
            raise RunError(
                f"{self.objective} does not move: its gradient is zero at the start, so there is nothing "
                "to follow (a unit that is constant or saturated); try another --seed or the layer before"
            )


def learning_rate(prior: Prior, fraction: float) -> float:
    """Adam's rate when `fraction` of the steps is done: a linear warm-up, then a cosine down to `decay`."""
    if fraction < prior.warmup:
        return prior.learning_rate * max(fraction / prior.warmup, 0.01)
    remaining = (1 + math.cos(math.pi * (fraction - prior.warmup) / (1 - prior.warmup or 1))) / 2
    return prior.learning_rate * (prior.decay + (1 - prior.decay) * remaining)


def _checked_steps(steps: int) -> int:
    if not 1 <= steps <= MOST_STEPS:
        raise RequestError(f"steps is {steps}: it must lie between 1 and {MOST_STEPS:,}")
    return steps
