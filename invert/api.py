"""One inversion from the library: a subject, an objective and a prior in, an image and its numbers out."""

from __future__ import annotations

import base64
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from invert import images
from invert.engine.drawn import check_drawn
from invert.engine.optimisation import Event, Optimisation, Precision, Stopped
from invert.engine.problem import Problem
from invert.engine.views import RandomViews
from invert.errors import RequestError, RunError
from invert.files import write_json, write_whole
from invert.measures import Evidence, measure_run
from invert.objectives import Observation
from invert.progress import show
from invert.protocols import Objective, Prior, Stop
from invert.settings import as_json, make_prior
from invert.subjects import Subject


@dataclass(frozen=True, repr=False)
class Result:
    """What came back, and how.

    `image` `(1, C, H, W)` in [0, 1] is the best (or what else the prior says is to be kept); `last`
    that of the last step. Under random views the best is that of the least running mean of the loss
    (see `Optimisation`), which is one of the last unless the run got worse. `feature_error`
    is ‖Φ − Φ₀‖² / ‖Φ₀‖² of `image` in fp32, None where no features were matched. `loss` and
    `penalty` `(steps,)` are the trace. `seconds` is the time in the loop alone.
    """

    image: Tensor
    last: Tensor
    original: Tensor | None
    feature_error: float | None
    measures: dict[str, float | None]
    loss: Tensor
    penalty: Tensor
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
    kept: int = 0
    """The step that `image` is of; 0 where it is of none."""

    def save(self, path: str | Path) -> Path:
        """Write the image as a PNG to `path`, or with all that is known of it to a folder.

        To a path that ends in `.png` the image alone. Any other is a folder, which gets `image.png`,
        `last.png`, `original.png` where there is an original, and `result.json`: the numbers, the
        prior's settings and the trace. Files of those names are replaced, each as a whole. Returns
        the path. Raises `RequestError` for the ending of another kind of file, `RunError` where it
        cannot be written.
        """
        if not str(path):
            raise RequestError("cannot save as '': name a file that ends in .png, or a folder")
        path = Path(path)
        if path.suffix.lower() == ".png":
            return write_whole(path, images.to_png(self.image))
        if path.suffix and not path.is_dir():
            raise RequestError(f"cannot save as {path.suffix}: name a file that ends in .png, or a folder")
        pictures = {"image": self.image, "last": self.last, "original": self.original}
        for name, picture in pictures.items():
            if picture is not None:
                write_whole(path / f"{name}.png", images.to_png(picture))
        write_json(path / "result.json", self._numbers())
        return path

    def _numbers(self) -> dict[str, Any]:
        settings = as_json(self.prior)
        settings.pop("steps")  # the prior's own; how many were done is said beside it
        named = ("objective", "seed", "steps", "seconds", "stopped", "device", "precision", "parameters")
        return {
            **{name: getattr(self, name) for name in named},
            "prior": self.prior.name,
            "settings": settings,
            "views": self.views.as_json() if self.views else None,
            "feature_error": _finite(self.feature_error),
            "measures": {name: _finite(value) for name, value in self.measures.items()},
            "loss": list(map(_finite, self.loss.tolist())),
            "penalty": list(map(_finite, self.penalty.tolist())),
        }

    def _in_words(self) -> str:
        error = "" if self.feature_error is None else f", feature error {self.feature_error:.3g}"
        return f"{self.objective}, prior {self.prior.name}, seed {self.seed}, {self.steps} steps{error}"

    def __repr__(self) -> str:
        return f"<Result: {self._in_words()}, {tuple(self.image.shape)} on {self.device}>"

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
        return f"<div>{figures}<p>{escape(self._in_words())}</p></div>"


def run(
    subject: Subject | None,
    objective: Objective,
    prior: str | Prior = "dip",
    *,
    steps: int | None = None,
    seed: int = 0,
    until: float | None = None,
    patience: int | None = None,
    stops: Sequence[Stop] = (),
    precision: str = "auto",
    views: int | RandomViews | None = None,
    judge: Subject | None = None,
    progress: bool = False,
) -> Result:
    """Look for an image that minimises `objective` for `subject` under `prior`.

    `steps` defaults to the prior's own. `until` stops at that feature error, whatever the weight of
    the features in the objective (where nothing is compared, at that loss; by default at the
    objective's `floor`, if it has one), `patience` when nothing has improved by 1 % for so many
    steps, `stops` by rules of their own. `views` is how many random views a step looks at beside the
    image itself; by default 7 for classes and units and none for features. Settings of the prior
    that nobody named are those that suit the objective. `progress` shows on standard error how far
    it is and how long it will take: a bar at a terminal or in a notebook, else a line now and then.
    An objective that reads no network needs no subject: None. The same call with the same seed on
    the same device gives the same bits. Raises
    `RequestError` for a request that cannot be met, such as a layer that is not there, and
    `RunError` for a class or unit that no gradient reaches, or a loss that is never finite.
    """
    problem = Problem.pose(subject, objective, as_prior(prior), views)
    optimisation = problem.optimisation(
        [seed], steps, until=until, patience=patience, stops=stops, precision=precision
    )
    events = show(optimisation, str(objective)) if progress else iter(optimisation)
    stopped = deque(events, maxlen=1).pop()  # a list of them would hold the image of every step
    return results(problem, stopped, optimisation, [seed], judge)[0]


def restore(observation: Observation, prior: str | Prior = "dip", **options: Any) -> Result:
    """The picture of which `observation` is what was seen, made to agree with what is known of it.

        invert.restore(invert.Observation(invert.operator("mask", share=0.5), "photo.jpg"), "dip").image

    `options` are those of `run`, without a network. `Result.original` is the photo itself;
    `observation.bind(None).seen` shows what was seen of it.
    """
    bound = observation.bind(None)
    return consistent(run(None, bound, prior, **options), bound)


def consistent(found: Result, bound: Observation) -> Result:
    """A result whose picture agrees with what is known of it, and is measured so."""
    image = bound.finished(found.image)
    return replace(found, image=image, measures=measure_run(Evidence(None, bound, image, bound.original)))


def as_prior(prior: str | Prior) -> Prior:
    return make_prior(prior) if isinstance(prior, str) else prior


def results(
    problem: Problem,
    stopped: Event,
    optimisation: Optimisation,
    seeds: Sequence[int],
    judge: Subject | None = None,
) -> list[Result]:
    """A result a seed, with every registered measure."""
    return [result(problem, stopped, optimisation, b, seed, judge) for b, seed in enumerate(seeds)]


def result(
    problem: Problem,
    stopped: Event,
    optimisation: Optimisation,
    b: int,
    seed: int,
    judge: Subject | None = None,
) -> Result:
    """The result of problem b. Raises `RunError` where its loss was not finite from the first step."""
    assert isinstance(stopped, Stopped)
    if stopped.reasons[b] == "not finite" and stopped.best_steps[b] == 0:
        raise RunError(
            f"{problem.objective} was not finite at any step, so there is no image to keep: "
            "check the network, or lower the prior's learning_rate"
        )
    image = stopped.best[b : b + 1]
    check_drawn(image)
    check_drawn(stopped.last[b : b + 1])
    evidence = evidence_of(problem, image, judge)
    measures = measure_run(evidence)
    done = stopped.steps[b]
    return Result(
        image=image,
        last=stopped.last[b : b + 1],
        original=evidence.original,
        feature_error=measures.get("feature_error"),
        measures=measures,
        loss=stopped.loss[:done, b],
        penalty=stopped.penalty[:done, b],
        steps=done,
        seconds=stopped.seconds,
        stopped=problem.reason(stopped.reasons[b], stopped.loss[:done, b]),
        parameters=optimisation.parameters,
        objective=str(problem.objective),
        prior=problem.prior,
        seed=seed,
        device=str(problem.device),
        precision=optimisation.precision,
        views=problem.views,
        kept=stopped.best_steps[b],
    )


def evidence_of(problem: Problem, image: Tensor, judge: Subject | None = None) -> Evidence:
    """What is measured of an image `(1, C, H, W)` that a problem led to."""
    objective = problem.objective
    subject = cast("Subject | None", problem.network) if objective.layers else None
    return Evidence(subject, objective, image, objective.original, objective.target_index, judge)


def _finite(value: float | None) -> float | None:
    """A number as JSON can hold it: null where it is none, as the last loss of a run that diverged."""
    return value if value is not None and math.isfinite(value) else None


def _data_url(image: Tensor) -> str:
    return "data:image/png;base64," + base64.b64encode(images.to_png(image)).decode()
