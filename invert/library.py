"""What `import invert` shows (docs/api.md), brought together: importing it imports torch."""

from invert.api import Result, run
from invert.engine.optimise import Optimisation, optimise
from invert.errors import InvertError, RequestError, RunError
from invert.measures import Measure, RowMeasure
from invert.objectives import (
    Channel,
    ClassLogOdds,
    ClassProbability,
    ClassScore,
    Direction,
    FeatureMatch,
    Neuron,
    Sum,
)
from invert.protocols import Canvas, Description, Objective, Prior
from invert.settings import make_prior as prior
from invert.subjects import Layer, Subject, load, wrap

__all__ = [
    "Canvas",
    "Channel",
    "ClassLogOdds",
    "ClassProbability",
    "ClassScore",
    "Description",
    "Direction",
    "FeatureMatch",
    "InvertError",
    "Layer",
    "Measure",
    "Neuron",
    "Objective",
    "Optimisation",
    "Prior",
    "RequestError",
    "Result",
    "RowMeasure",
    "RunError",
    "Subject",
    "Sum",
    "load",
    "optimise",
    "prior",
    "run",
    "wrap",
]
