"""The interface of a measure, and all registered ones applied to a run or a row."""

from __future__ import annotations

import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, ClassVar

import torch

from invert import registry
from invert.errors import InvertWarning, one_line
from invert.foreign import is_end
from invert.measures.evidence import Evidence, RowEvidence
from invert.protocols import Description

Numbers = dict[str, float | None]


class Measure(ABC):
    """One number about one inversion; None where the question does not arise."""

    name: ClassVar[str]
    description: ClassVar[Description]

    @abstractmethod
    def __call__(self, evidence: Evidence) -> float | None: ...


class RowMeasure(ABC):
    """Numbers about a row, under the names `NAME` or `NAME.FACET`; None where the question does not arise.

    `descriptions` says of each NAME what it is. Beside a number its spread over photos may be given.
    """

    descriptions: ClassVar[Mapping[str, Description]]

    @abstractmethod
    def __call__(self, row: RowEvidence) -> tuple[Numbers, Numbers]:
        """The numbers, and their spreads (those that have one)."""


def measure_run(evidence: Evidence) -> Numbers:
    """Every registered measure of a run, by name; None, with a warning, for one that fails."""
    numbers: Numbers = {}
    for cls in registry.working("invert.measures").values():
        if issubclass(cls, Measure):
            numbers[cls.name] = None
            with _warned(cls):
                numbers[cls.name] = _finite(cls()(evidence))
    return numbers


def measure_row(row: RowEvidence) -> tuple[Numbers, Numbers]:
    """Every registered measure of a row: the numbers and their spreads, by name."""
    numbers: Numbers = {}
    spreads: Numbers = {}
    for cls in registry.working("invert.measures").values():
        if issubclass(cls, RowMeasure):
            with _warned(cls):
                more, more_spreads = cls()(row)
                numbers |= {name: _finite(value) for name, value in more.items()}
                spreads |= {name: _finite(value) for name, value in more_spreads.items()}
    return numbers, spreads


def describe() -> dict[str, dict[str, Any]]:
    """What each registered number is, by name, as JSON (an infinite end of a range is null)."""
    descriptions: dict[str, Description] = {}
    for cls in registry.working("invert.measures").values():
        descriptions |= {cls.name: cls.description} if issubclass(cls, Measure) else cls.descriptions
    return {
        name: {**asdict(d), "range": [end if math.isfinite(end) else None for end in d.range]}
        for name, d in descriptions.items()
    }


@contextmanager
def _warned(measure: type) -> Iterator[None]:
    """Within, a measure that fails costs its own numbers, not the run that it was to measure."""
    try:
        yield
    except BaseException as error:  # a plug-in's may exit, too
        if is_end(error) or isinstance(error, (MemoryError, torch.OutOfMemoryError)):
            raise
        warnings.warn(
            f"the measure {measure.__name__} failed: {one_line(error)}", InvertWarning, stacklevel=3
        )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
