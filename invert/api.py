"""One inversion from the library: a subject, an objective and a prior in, an image and its numbers out."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import torch
from torch import Tensor, nn

from invert import images, registry
from invert.engine.devices import choose_precision
from invert.engine.optimise import Event, Optimisation, Precision, Stopped
from invert.engine.redirect import redirect_dead_relus
from invert.engine.views import RandomViews, Viewer, views_for
from invert.errors import RequestError, RunError
from invert.measures import Evidence, measure_run
from invert.protocols import Canvas, Objective, Prior
from invert.settings import MOST_STEPS, make_prior
from invert.subjects import Subject

SMOOTHING = 0.9
"""How much of its past the running mean keeps by which an image is chosen where views make the loss noisy."""


@dataclass(frozen=True)
class Result:
    """What came back, and how.

    `image` `(1, C, H, W)` in [0, 1] is the best; `last` that of the last step. Under random
    views the best is that of the least running mean of the loss (see `Optimisation`), which is
    one of the last unless the run got worse. `feature_error`
    is ‖Φ − Φ₀‖² / ‖Φ₀‖² of `image` in fp32, None where no features were matched. `loss` and
    `penalty` `(steps,)` are the trace. `seconds` is the time in the loop alone.
    """

    image: Tensor = field(repr=False)
    last: Tensor = field(repr=False)
    original: Tensor | None = field(repr=False)
    feature_error: float | None
    measures: dict[str, float | None]
    loss: Tensor = field(repr=False)
    penalty: Tensor = field(repr=False)
    steps: int
    seconds: float
    stopped: str
    parameters: int
    objective: str
    prior: Prior
    seed: int
    device: str
    precision: Precision
    views: RandomViews | None = None

    def _repr_html_(self) -> str:
        """The inversion, beside the photo where there is one, for a notebook."""
        pictures = [("inversion", self.image)]
        if self.original is not None:
            pictures.insert(0, ("photo", self.original))
        figures = "".join(
            f'<figure style="display:inline-block;margin:0 1em 0 0">'
            f'<img alt="{name}" src="{_data_url(image)}">'
            f"<figcaption>{name}</figcaption></figure>"
            for name, image in pictures
        )
        error = "" if self.feature_error is None else f", feature error {self.feature_error:.3g}"
        caption = f"{self.objective}, prior {self.prior.name}, seed {self.seed}, {self.steps} steps{error}"
        return f"<div>{figures}<p>{escape(caption)}</p></div>"


def run(
    subject: Subject,
    objective: Objective,
    prior: str | Prior = "dip",
    *,
    steps: int | None = None,
    seed: int = 0,
    until: float | None = None,
    patience: int | None = None,
    precision: str = "auto",
    views: int | RandomViews | None = None,
    judge: Subject | None = None,
) -> Result:
    """Look for an image that minimises `objective` for `subject` under `prior`.

    `steps` defaults to the prior's own. `until` stops at that loss (for features: that feature
    error; by default the objective's `floor`, if it has one), `patience` when nothing has improved
    by 1 % for so many steps. `views` is how many random views a step looks at beside the image
    itself; by default 7 for classes and units and none for features. The same call with the same
    seed on the same device gives the same bits. Raises `RequestError` for a request that cannot be
    met, such as a layer that is not there, and `RunError` for a class or unit that no gradient
    reaches, or a loss that is never finite.
    """
    problem = Problem.pose(subject, objective, prior, judge=judge, views=views)
    optimisation = problem.optimisation([seed], steps, until=until, patience=patience, precision=precision)
    *_, stopped = optimisation
    return problem.results(stopped, optimisation, [seed])[0]


@dataclass(frozen=True)
class Problem:
    """An objective bound to a subject, and the prior under which it will be solved."""

    subject: Subject
    objective: Objective
    prior: Prior
    original: Tensor | None
    judge: Subject | None = None
    views: RandomViews | None = None

    @classmethod
    def pose(
        cls,
        subject: Subject,
        objective: Objective,
        prior: str | Prior,
        judge: Subject | None = None,
        views: int | RandomViews | None = None,
    ) -> Problem:
        """Bind the objective, look the prior up, and read the photo that the objective holds, if any."""
        if isinstance(prior, str):
            prior = default_prior(prior, objective.kind)
        photo = getattr(objective, "photo", None)
        original = None if photo is None else subject.image(photo).to(subject.device)
        chosen = views_for(objective.kind, views, in_place=objective.in_place)
        return cls(subject, objective.bind(subject), prior, original, judge, chosen)

    def optimisation(
        self,
        seeds: Sequence[int],
        steps: int | None = None,
        *,
        until: float | None = None,
        patience: int | None = None,
        precision: str = "auto",
    ) -> Optimisation:
        """The loop, ready to iterate, with one problem a seed, solved together and independent."""
        random = [torch.Generator().manual_seed(seed) for seed in seeds]
        shape = (1, *self.subject.input_shape)
        canvas = Together(self.prior.start(shape, rng) for rng in random).to(self.subject.device)
        viewer = None
        if self.views is not None:
            of_views = [int(torch.randint(2**62, (), generator=rng)) for rng in random]
            viewer = self.views.start(of_views, self.subject.device)
        if self.objective.kind != "feature":
            self._check_gradient(canvas)
        chosen = choose_precision(precision, self.subject.device)
        held_in = torch.bfloat16 if chosen == "bf16" else None
        watched = self.subject.prepared(self.objective.layers, held_in)
        return Optimisation(
            canvas,
            lambda image: self.loss(image, viewer, watched),
            steps=_checked_steps(self.prior.steps if steps is None else steps),
            rate=lambda fraction: learning_rate(self.prior, fraction),
            until=self.objective.floor if until is None else until,
            patience=patience,
            precision=chosen,
            smoothing=SMOOTHING if viewer else 0.0,
            generators=viewer.generators() if viewer else (),
        )

    def loss(self, image: Tensor, viewer: Viewer | None = None, subject: Subject | None = None) -> Tensor:
        """The objective of images `(B, C, H, W)`, its mean over each and its views: `(B,)`."""
        seen = image if viewer is None else viewer(image)
        loss = self.objective(seen, (subject or self.subject).activations(seen, self.objective.layers))
        if self.objective.kind != "feature":
            redirect_dead_relus(loss, image)
        return loss.view(len(image), -1).mean(1)

    def _check_gradient(self, canvas: Canvas) -> None:
        """Raise `RunError` where the objective has no gradient at the start: nothing would be drawn."""
        canvas.eval()
        with torch.no_grad():
            image = canvas().float()
        canvas.train()
        loss = self.loss(image.requires_grad_())
        (gradient,) = torch.autograd.grad(loss.sum(), image)
        floor = -math.inf if self.objective.floor is None else self.objective.floor
        if not (gradient.flatten(1).any(1) | (loss <= floor)).all():
            raise RunError(
                f"{self.objective} does not move: its gradient is zero at the start, so there is nothing "
                "to follow (a unit that is constant or saturated); try another --seed or the layer before"
            )

    def results(self, stopped: Event, optimisation: Optimisation, seeds: Sequence[int]) -> list[Result]:
        """A result a seed, with every registered measure."""
        assert isinstance(stopped, Stopped)
        return [self.result(stopped, optimisation, b, seed) for b, seed in enumerate(seeds)]

    def evidence(self, image: Tensor) -> Evidence:
        target = getattr(self.objective, "target", None)
        index = target if isinstance(target, int) else None
        return Evidence(self.subject, self.objective, image, self.original, index, self.judge)

    def result(self, stopped: Stopped, optimisation: Optimisation, b: int, seed: int) -> Result:
        """The result of problem b. Raises `RunError` where its loss was not finite from the first step."""
        if stopped.reasons[b] == "not finite" and stopped.best_steps[b] == 0:
            raise RunError(
                f"{self.objective} was not finite at any step, so there is no image to keep: "
                "check the network, or lower the prior's learning_rate"
            )
        image = stopped.best[b : b + 1]
        measures = measure_run(self.evidence(image))
        done = stopped.steps[b]
        return Result(
            image=image,
            last=stopped.last[b : b + 1],
            original=self.original,
            feature_error=measures.get("feature_error"),
            measures=measures,
            loss=stopped.loss[:done, b],
            penalty=stopped.penalty[:done, b],
            steps=done,
            seconds=stopped.seconds,
            stopped=self._reason(stopped, b),
            parameters=optimisation.parameters,
            objective=str(self.objective),
            prior=self.prior,
            seed=seed,
            device=str(self.subject.device),
            precision=optimisation.precision,
            views=self.views,
        )

    def _reason(self, stopped: Stopped, b: int) -> str:
        """Why problem b stopped; `did not move` for a class or unit whose loss was the same all along."""
        loss = stopped.loss[: stopped.steps[b], b]
        still = self.objective.kind != "feature" and len(loss) > 1 and bool((loss == loss[0]).all())
        return "did not move" if still else stopped.reasons[b]


class Together(Canvas):
    """Canvases side by side as one batch: the same problems, solved in one loop."""

    def __init__(self, canvases: Any) -> None:
        super().__init__()
        self.canvases = nn.ModuleList(canvases)

    def forward(self) -> Tensor:
        return torch.cat([canvas() for canvas in self.canvases])

    def penalty(self, image: Tensor) -> Tensor:
        parts = torch.split(image, len(image) // len(self.canvases))
        return torch.cat([canvas.penalty(part) for canvas, part in zip(self._each(), parts, strict=True)])

    def rates(self) -> Mapping[Tensor, float]:
        return {parameter: rate for canvas in self._each() for parameter, rate in canvas.rates().items()}

    def project(self) -> None:
        for canvas in self._each():
            canvas.project()

    def generators(self) -> list[torch.Generator]:
        return [generator for canvas in self._each() for generator in canvas.generators()]

    def _each(self) -> list[Canvas]:
        return [canvas for canvas in self.canvases if isinstance(canvas, Canvas)]


def default_prior(name: str, kind: str, **settings: Any) -> Prior:
    """The prior `name` with the preset that suits the kind of objective, and `settings` on top."""
    preset = settings.pop("preset", None)
    if preset is None and kind != "feature":
        presets = getattr(registry.get("invert.priors", name), "presets", {})
        preset = "maximisation" if "maximisation" in presets else None
    return make_prior(name, preset=preset, **settings)


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


def _data_url(image: Tensor) -> str:
    return "data:image/png;base64," + base64.b64encode(images.to_png(image)).decode()
