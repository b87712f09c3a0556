"""What the image should do to the network: match a photo's features, or drive a class or a unit up."""

from invert.objectives.algebra import Sum, Term
from invert.objectives.class_score import ClassLogOdds, ClassProbability, ClassScore
from invert.objectives.feature_match import FeatureMatch
from invert.objectives.unit import Channel, Direction, Neuron

__all__ = [
    "Channel",
    "ClassLogOdds",
    "ClassProbability",
    "ClassScore",
    "Direction",
    "FeatureMatch",
    "Neuron",
    "Sum",
    "Term",
]
