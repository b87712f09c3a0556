"""What the engine, the priors, the objectives, the measures and the reports agree on.

Shapes: `B` independent problems, `C` channels, `H` × `W` pixels. An image is a float tensor
`(B, C, H, W)` with values in [0, 1].

Three rules: settings are frozen, and `start` makes the part that moves; an objective says facts about
itself, and nobody branches on its kind; state is buffers, and randomness is an argument.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, cast

import torch
from torch import Tensor, nn

from invert.errors import RequestError

if TYPE_CHECKING:
    from typing_extensions import Self

Shape = tuple[int, int, int]
"""(C, H, W) of one picture."""
Rngs = Sequence[torch.Generator]
"""One a problem."""
Activations = Mapping[str, Tensor]
Section = Literal["feature", "class", "unit", "restoration"]


@dataclass(frozen=True, kw_only=True)
class Plugin(ABC):
    """Frozen settings, and a moving part that `start` makes of them.

    Every field is a setting (`--set NAME.FIELD=VALUE`): an int, float, bool, str, or a tuple of
    ints or floats, so that settings survive JSON. Check them in `__post_init__`, raising
    `ValueError` with one line that says what would be right. `presets` are named groups of settings.
    """

    name: ClassVar[str]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    def __new__(cls, *_: Any, **settings: Any) -> Self:
        made = super().__new__(cls)
        object.__setattr__(made, "_named", frozenset(settings))
        return made

    def suited(self, preset: str | None) -> Self:
        """With that preset's values for the settings that nobody named; without them where it is not there.

        `restoration-denoise` stands for `restoration`, where there is no preset of the longer name.
        """
        if preset is not None and preset not in self.presets:
            preset = preset.split("-")[0]
        if preset is None or preset not in self.presets:
            return self
        settings = {field.name: getattr(self, field.name) for field in fields(self)}
        named: frozenset[str] = getattr(self, "_named", frozenset())
        chosen = {name: value for name, value in self.presets[preset].items() if name not in named}
        return type(self)(**settings | chosen)


class Canvas(nn.Module, ABC):
    """B images as a differentiable function of parameters: what is optimised.

    Image b depends on the parameters of problem b alone. What all problems share and nothing moves
    is held once: parameters that require no gradient, buffers that are not persistent. A checkpoint
    holds the rest.
    """

    @property
    def draws(self) -> bool:
        """Whether steps are random: then `forward` and `after_step` are handed generators."""
        return False

    @abstractmethod
    def forward(self, rngs: Rngs | None = None) -> Tensor:
        """Images `(B, C, H, W)` in [0, 1].

        Noise comes from `rngs`, which are on the canvas's device, and from nowhere else; without them
        these are the pictures as they are shown.
        """

    def penalty(self, image: Tensor) -> Tensor:
        """What the prior adds to the loss for `image` `(B, C, H, W)`: `(B,)`, zero unless overridden."""
        return image.new_zeros(image.shape[0])

    def rates(self) -> Mapping[Tensor, float]:
        """Factors on the learning rate, for the parameters that do not move at the rate itself."""
        return {}

    def after_step(self, rate: Tensor, rngs: Rngs | None) -> None:
        """Change the parameters in place after each step, under no_grad.

        To bring them back to where they may be, mask or jitter them. `rate` is the learning rate, a
        scalar; `rngs` are as in `forward`.
        """


@dataclass(frozen=True, kw_only=True)
class Prior(Plugin):
    """An assumption about what images are: settings, and a canvas to start from.

    An objective names the preset that suits it, "maximisation" where a class or a unit is driven up:
    settings that nobody named take its values.
    """

    neutral: ClassVar[bool] = False
    """Whether it prefers no image to another, and so makes nothing up where a layer leaves it open."""

    steps: int = 500
    """Optimisation steps, unless the user says otherwise."""
    learning_rate: float = 0.01
    """Adam's peak learning rate."""
    warmup: float = 0.0
    """Fraction of the steps over which the rate climbs linearly to its peak."""
    decay: float = 1.0
    """Fraction of its peak that the rate falls to over the run, along a cosine; 1 keeps it constant."""
    keep: str = "best"
    """What of the steps is the picture: best, last, mean (of the second half), smoothed (running mean)."""

    @abstractmethod
    def start(self, shape: Shape, rngs: Rngs) -> Canvas:
        """A canvas on the CPU with a problem for each of `rngs`, each drawn from its own alone."""


@dataclass(frozen=True)
class Now:
    """Where B problems are after a step; all tensors stay where they are.

    `step` `(1,)` counts from 1. `image` `(B, C, H, W)` are the pictures of that step, and `kept` those
    that a run which ended here would come to (an average, where the prior keeps one). `loss`,
    `penalty`, `error` (what `until` is about: see `Objective.error`) and `mean`, the running mean of
    loss + penalty, are `(B,)`.
    """

    step: Tensor
    image: Tensor
    kept: Tensor
    loss: Tensor
    penalty: Tensor
    error: Tensor
    mean: Tensor


class Criterion(nn.Module, ABC):
    """Which problems end after this step. Its state is buffers, changed in place, so that it can be saved."""

    conclusive = False
    """Whether the picture at which it ends a problem is the one to keep."""

    @abstractmethod
    def forward(self, now: Now) -> Tensor:
        """`(B,)` bool. Called at each step, and so reads nothing back to the host."""

    def chosen(self) -> Tensor | None:
        """`(B,)` bool: for which problems the step just judged is the best so far, whose picture is to be
        kept until there is a better one; None where that is not for this criterion to say."""
        return None


@dataclass(frozen=True, kw_only=True)
class Stop(Plugin):
    """When to stop before the steps are over. A run's record says its `name`."""

    def prepared(self, objective: Objective) -> Objective:
        """What is minimised in place of this bound objective, so that the stop can judge."""
        return objective

    def bind(self, objective: Objective) -> Stop:
        """The stop for this bound objective. Raises `RequestError` for one that it cannot judge."""
        return self

    @abstractmethod
    def start(self, image: Tensor) -> Criterion:
        """The criterion for problems whose first images are `(B, C, H, W)`, on their device."""


class Observer(nn.Module, ABC):
    """What is seen of pictures of one shape."""

    @abstractmethod
    def forward(self, image: Tensor) -> Tensor:
        """A(image): `(B, C, H, W)` to `(B, …)`; differentiable, deterministic, one image at a time."""

    def observe(self, picture: Tensor) -> Tensor:
        """What is measured of a picture `(1, C, H, W)`: A(picture), and noise where there is some."""
        return cast(Tensor, self(picture))

    def fitted(self, image: Tensor, observed: Tensor) -> Tensor:
        """What is compared with `observed` `(1, …)`: A(image), and what was observed where A(image) agrees
        with it without being the same (it would round to it, say)."""
        return cast(Tensor, self(image))

    def another(self, observed: Tensor) -> Tensor | None:
        """What a method of a second makes of what was observed, `(1, C, H, W)`; None where there is none."""
        return None

    def joined(self, image: Tensor, observed: Tensor) -> Tensor:
        """`image`, as a prior drew it, with another estimate taken in, where the operator has one."""
        return image

    def consistent(self, image: Tensor, observed: Tensor) -> Tensor:
        """`image` made to agree with what is known: `(B, C, H, W)`. Again, it changes nothing."""
        return image

    def measured(self, given: Tensor) -> Tensor:
        """What was observed, of a picture `(1, C, H, W)` that shows it and was measured elsewhere."""
        return given

    def noise_level(self, observed: Tensor) -> float:
        """Root mean square of the noise in what was observed; 0 where none is known of."""
        return 0.0

    def seen(self, observed: Tensor) -> Tensor:
        """What was observed as a picture `(1, C, H, W)`, to be shown."""
        return observed


@dataclass(frozen=True, kw_only=True)
class Operator(Plugin):
    """A, where it is not a layer: what is known of a picture. Knows no prior."""

    preset: ClassVar[str] = "restoration"
    """That of a prior which suits it."""

    def shape_of(self, observed: Shape) -> Shape:
        """Of the picture, where what shows what was observed of it is a picture of shape `observed`."""
        return observed

    @abstractmethod
    def start(self, shape: Shape, rng: torch.Generator) -> Observer:
        """What sees pictures of `shape`; all that is random in it is drawn from `rng`."""


class LayerShape(Protocol):
    """What an objective may ask of a layer."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of its value for one image, without the batch."""

    @property
    def channel_axis(self) -> int:
        """The axis of `shape` that counts channels."""


class Network(Protocol):
    """What an objective is bound to: a network as far as objectives know one (`invert.Subject` is one)."""

    @property
    def input_shape(self) -> tuple[int, int, int]: ...
    @property
    def device(self) -> torch.device: ...
    def image(self, photo: Any) -> Tensor:
        """A photo as the network sees it: `(1, C, H, W)` in [0, 1]."""

    def activations(self, images: Tensor, layers: Sequence[str]) -> Activations: ...
    def prepared(self, layers: Sequence[str], dtype: torch.dtype | None = None) -> Network: ...
    def layer(self, name: str) -> LayerShape: ...
    def class_index(self, text: str | int) -> int: ...


class Objective(ABC):
    """What the image should do to the network: a pure function of image and activations, minimised.

    An objective names the layers it reads and never holds a model. `bind(network)` looks up what it
    needs to know of one (target features, the index of a class) and returns the objective to
    optimise. Objectives add, subtract and scale. What else there is to know of one it says itself,
    by the facts below; nobody asks for its class.
    """

    @property
    @abstractmethod
    def layers(self) -> tuple[str, ...]:
        """The names of the layers whose activations `__call__` gets."""

    @abstractmethod
    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        """The loss `(B,)` of `image` `(B, C, H, W)` with the activations of `layers`."""

    def bind(self, network: Network | None) -> Objective:
        """The objective for this network; None where there is none, for one that reads no layers."""
        return self

    def error(self, image: Tensor, activations: Activations) -> Tensor | None:
        """How far the image is from what is compared with, `(B,)`, whatever its weight in the loss: what
        `until` asks for. None where nothing is compared."""
        return None

    def keeping_back(self, share: float) -> Objective:
        """A bound one that looks at all but this share of what it compares. Raises `RequestError` where
        nothing can be kept back."""
        raise RequestError(f"{self} keeps nothing back (an observation through an operator does)")

    def error_kept_back(self, image: Tensor) -> Tensor:
        """The error of what is kept back, `(B,)`."""
        raise RequestError(f"{self} keeps nothing back (an observation through an operator does)")

    @property
    def terms(self) -> tuple[tuple[float, Objective], ...]:
        """The weights and objectives that it is the sum of."""
        return ((1.0, self),)

    @property
    def original(self) -> Any | None:
        """The photo that it compares with; once bound, `(1, C, H, W)` in [0, 1]."""
        return None

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """(C, H, W) of the image that it is about, where that is not the network's to say."""
        return None

    @property
    def target_index(self) -> int | None:
        """The class that it is about, once bound."""
        return None

    @property
    def floor(self) -> float | None:
        """The least value that the loss can take, where it has one: a run that is there ends."""
        return None

    @property
    def noise(self) -> float | None:
        """The error that the truth itself has, where what is compared with is known to be noisy: whoever
        comes nearer fits the noise."""
        return None

    @property
    def preset(self) -> str | None:
        """The preset of the prior that suits it, where the prior has one of that name."""
        return None

    @property
    def views(self) -> Any | None:
        """The random views through which it is looked at (`invert.engine.views.RandomViews`)."""
        return None

    @property
    def in_place(self) -> bool:
        """Whether it looks at one place of the picture, so that random views must hardly move it."""
        return False

    @property
    def drives_up(self) -> bool:
        """Whether minus its value is a score: how far something was driven up."""
        return False

    @property
    def checks_gradient(self) -> bool:
        """Whether a start from which no gradient leads on is an error."""
        return False

    @property
    def redirects_relus(self) -> bool:
        """Whether the gradient passes ReLUs that stop all of it, so that a dead unit comes alive."""
        return False

    @property
    def must_move(self) -> bool:
        """Whether a loss that was the same at every step means that nothing came of it."""
        return False

    @property
    def section(self) -> Section:
        """Under which heading a report shows it, beside its photo or among what was driven up."""
        return "unit" if self.original is None else "feature"

    def __add__(self, other: Objective) -> Sum:
        return Sum(((1.0, self), (1.0, other)))

    def __sub__(self, other: Objective) -> Sum:
        return Sum(((1.0, self), (-1.0, other)))

    def __mul__(self, weight: float) -> Sum:
        return Sum(((float(weight), self),))

    def __neg__(self) -> Sum:
        return self * -1.0

    __rmul__ = __mul__

    def __str__(self) -> str:
        return type(self).__name__


@dataclass(frozen=True)
class Sum(Objective):
    """A weighted sum of objectives.

    What a term holds, the sum holds: the original, the shape, the noise and the preset of the first
    term that has one; the class, where the terms are about one; a floor, where all have one and no weight is
    below 0. How it is looked at and what is made of it is as for its first term.
    """

    parts: tuple[tuple[float, Objective], ...]

    @property
    def terms(self) -> tuple[tuple[float, Objective], ...]:
        return tuple((weight * inner, term) for weight, part in self.parts for inner, term in part.terms)

    @property
    def layers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(layer for _, part in self.parts for layer in part.layers))

    def __call__(self, image: Tensor, activations: Activations) -> Tensor:
        return reduce(add, (weight * part(image, activations) for weight, part in self.parts))

    def bind(self, network: Network | None) -> Sum:
        return Sum(tuple((weight, part.bind(network)) for weight, part in self.parts))

    def error(self, image: Tensor, activations: Activations) -> Tensor | None:
        """The largest of its terms': that of what is matched worst."""
        errors = [e for _, term in self.terms if (e := term.error(image, activations)) is not None]
        return reduce(torch.maximum, errors) if errors else None

    @property
    def original(self) -> Any | None:
        return self._first_that_has("original")

    @property
    def shape(self) -> tuple[int, int, int] | None:
        return cast("tuple[int, int, int] | None", self._first_that_has("shape"))

    @property
    def noise(self) -> float | None:
        return cast("float | None", self._first_that_has("noise"))

    @property
    def preset(self) -> str | None:
        return cast("str | None", self._first_that_has("preset"))

    @property
    def target_index(self) -> int | None:
        indices = {term.target_index for _, term in self.terms} - {None}
        return indices.pop() if len(indices) == 1 else None

    @property
    def floor(self) -> float | None:
        floors = [(weight, term.floor) for weight, term in self.terms]
        if any(weight < 0 or floor is None for weight, floor in floors):
            return None
        return sum(weight * floor for weight, floor in floors if floor is not None)

    @property
    def in_place(self) -> bool:
        return any(term.in_place for _, term in self.terms)

    @property
    def views(self) -> Any | None:
        """Those of the first term; where one looks at one place, that one's."""
        usual = self._first.views
        return usual and next((t.views for _, t in self.terms if t.in_place and t.views), usual)

    @property
    def drives_up(self) -> bool:
        return any(term.drives_up for _, term in self.terms)

    @property
    def checks_gradient(self) -> bool:
        return self._first.checks_gradient

    @property
    def redirects_relus(self) -> bool:
        return self._first.redirects_relus

    @property
    def must_move(self) -> bool:
        return self._first.must_move

    @property
    def section(self) -> Section:
        return self._first.section

    @property
    def _first(self) -> Objective:
        return self.parts[0][1]

    def _first_that_has(self, fact: str) -> Any | None:
        return next((f for _, term in self.terms if (f := getattr(term, fact)) is not None), None)

    def __str__(self) -> str:
        return " + ".join(f"{weight:g} × {part}" for weight, part in self.parts)


@dataclass(frozen=True)
class Description:
    """What a number is, so that a table can label it honestly."""

    title: str
    unit: str
    range: tuple[float, float]
    better: Literal["higher", "lower", "neither"]
    source: str
    short: str = ""
    """A label for where there is little room: under a picture, over a column; empty: from the title."""
    place: Literal["caption", "chart", "table"] = "table"
    """The most prominent place it is shown in: under every picture, as a chart, or in tables alone."""
