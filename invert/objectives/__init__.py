"""What the image should do: match a photo's features, agree with what was seen of it, drive something up."""

from invert.objectives.class_score import ClassLogOdds, ClassProbability, ClassScore
from invert.objectives.drive_up import DriveUp
from invert.objectives.feature_match import FeatureMatch
from invert.objectives.observation import Observation
from invert.objectives.unit import Channel, Direction, Neuron
from invert.protocols import Sum

__all__ = [
    "Channel",
    "ClassLogOdds",
    "ClassProbability",
    "ClassScore",
    "Direction",
    "DriveUp",
    "FeatureMatch",
    "Neuron",
    "Observation",
    "Sum",
]
