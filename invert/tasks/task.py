"""What a task says of itself: from a file and what was said beside it to what is known of a picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor

from invert import scans
from invert.errors import RequestError
from invert.objectives import Observation
from invert.objectives.observation import sized
from invert.protocols import Operator, Prior
from invert.scans import Scan
from invert.settings import make_operator, make_prior

OPTIONS = ("mask", "flash", "factor", "sigma", "share", "quality")
"""Those that some tasks take and others do not."""
SIMULATED = ("share", "quality")
"""Those that only say how `--simulate` makes what is observed."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was said beside a file; None where nothing was. `sigma` is in levels of 255, or "auto".

    `settings` are those of `--set`, by plug-in.
    """

    truth: str | None = None
    mask: str | None = None
    flash: str | None = None
    factor: int | None = None
    sigma: float | str | None = None
    share: float | None = None
    quality: int | None = None
    simulate: bool = False
    draw: int = 0
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Given:
    """What is known of a picture, bound, and how its file is written: `alpha` `(1, 1, H, W)` of the
    result's size where it is transparent somewhere, `deep` where it has 16 bits."""

    observation: Observation
    alpha: Tensor | None = None
    deep: bool = False
    about: str = ""
    """What is known of the picture, in words: how much of it is missing, how large the noise is."""

    def to_png(self, image: Tensor) -> bytes:
        """A picture `(1, C, H, W)` as the kind of file that came in."""
        return scans.to_png(image, self.alpha, self.deep)


class Task(ABC):
    """One way to look at a picture in a file."""

    name: str
    takes: ClassVar[tuple[str, ...]] = ()
    """Of `OPTIONS`."""
    floors: ClassVar[tuple[str, ...]] = ()
    """The methods of `invert.floors` that stand beside its results."""
    headline: ClassVar[str] = "psnr"
    """The measure that says how near the truth a result is, where that is known."""

    @abstractmethod
    def operator(self, file: str, scan: Scan, wanted: Wanted) -> Operator:
        """What the picture in the file is seen through; with `wanted.simulate` it is a clean one."""

    def title(self, wanted: Wanted) -> str:
        """What the observation is called: the row of a report."""
        return self.name

    def given(self, file: str, wanted: Wanted) -> Given:
        """What a file says of a picture. Raises `RequestError` where it does not fit what was said."""
        self._check(wanted)
        scan = scans.read(file)
        operator = self.operator(file, scan, wanted)
        if wanted.simulate:
            known = Observation(operator, self.clean(scan, wanted), seed=wanted.draw)
        else:
            truth = None if wanted.truth is None else scans.read(wanted.truth).pixels
            known = Observation(operator, truth, wanted.draw, observed=scan.pixels)
        try:
            bound = known.bind(None)
        except RequestError as error:
            raise _unlike(known, file, wanted.truth) or error from error
        return Given(bound, self.alpha(scan, bound), scan.deep, self.about(bound, wanted))

    def clean(self, scan: Scan, wanted: Wanted) -> Tensor:
        """The truth, where what is observed is simulated."""
        return scan.pixels

    def about(self, bound: Observation, wanted: Wanted) -> str:
        """What is known of the picture, in words; empty where its operator and settings say enough."""
        return ""

    def alpha(self, scan: Scan, bound: Observation) -> Tensor | None:
        """The transparency of the result."""
        return scan.alpha

    def prior(self, name: str, wanted: Wanted) -> Prior:
        """The prior of that name: settings that nobody named are those of the task's own preset, or else
        of the preset for all of them."""
        return make_prior(name, **wanted.settings.get(name, {})).suited(f"restoration-{self.name}")

    def stops(self, bound: Observation) -> tuple[str, ...]:
        """The rules that end a run, where none was named."""
        return ()

    def make(self, operator: str, wanted: Wanted, **settings: Any) -> Operator:
        """An operator with these settings, and those of `--set` on top."""
        return make_operator(operator, **settings | dict(wanted.settings.get(operator, {})))

    def _check(self, wanted: Wanted) -> None:
        for name in OPTIONS:
            if getattr(wanted, name) is not None and name not in self.takes:
                takes = ", ".join(f"--{one}" for one in self.takes) or "none of its own"
                raise RequestError(f"{self.name} takes no --{name} (its options: {takes})")
            if name in SIMULATED and getattr(wanted, name) is not None and not wanted.simulate:
                raise RequestError(f"--{name} says how --simulate makes what is observed: add --simulate")
        if wanted.simulate and wanted.truth is not None:
            raise RequestError("--simulate takes the file itself for the truth: leave --truth out")


def _unlike(known: Observation, file: str, truth: str | None) -> RequestError | None:
    """The line for a truth that is not of the size of the result, where it is not."""
    if truth is None:
        return None
    _, *observed = known.observed.shape
    shape, wanted = tuple(known.photo.shape[1:]), known.operator.shape_of(tuple(observed))
    if shape == wanted:
        return None
    return RequestError(
        f"{truth}: the truth is {sized(shape)}, the result of {file} {sized(wanted)}; they must be alike"
    )
