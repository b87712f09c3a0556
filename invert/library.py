"""What `import invert` shows (docs/api.md), brought together: importing it imports torch."""

from invert.api import Result, restore, run
from invert.engine.optimisation import Optimisation, optimise
from invert.errors import InvertError, RequestError, RunError
from invert.measures import Measure, RowMeasure
from invert.objectives import (
    Channel,
    ClassLogOdds,
    ClassProbability,
    ClassScore,
    Direction,
    DriveUp,
    FeatureMatch,
    Neuron,
    Observation,
)
from invert.protocols import (
    Canvas,
    Criterion,
    Description,
    Objective,
    Observer,
    Operator,
    Prior,
    Stop,
    Sum,
)
from invert.settings import make_objective as objective
from invert.settings import make_operator as operator
from invert.settings import make_prior as prior
from invert.settings import make_stop as stop
from invert.studies import Study, study
from invert.subjects import Layer, Subject, load, wrap

__all__ = [
    "Canvas",
    "Channel",
    "ClassLogOdds",
    "ClassProbability",
    "ClassScore",
    "Criterion",
    "Description",
    "Direction",
    "DriveUp",
    "FeatureMatch",
    "InvertError",
    "Layer",
    "Measure",
    "Neuron",
    "Objective",
    "Observation",
    "Observer",
    "Operator",
    "Optimisation",
    "Prior",
    "RequestError",
    "Result",
    "RowMeasure",
    "RunError",
    "Stop",
    "Study",
    "Subject",
    "Sum",
    "load",
    "objective",
    "operator",
    "optimise",
    "prior",
    "restore",
    "run",
    "stop",
    "study",
    "wrap",
]
