"""The classifiers under study."""

from invert.subjects.sources.load import load, wrap
from invert.subjects.subject import Subject
from invert.subjects.trace import Layer

__all__ = ["Layer", "Subject", "load", "wrap"]
