"""invert: what does each layer of a vision classifier keep of the image, and what does it throw away?

subject = invert.load("alexnet-mini")
result = invert.run(subject, invert.FeatureMatch("conv3", "photo.jpg"), prior="dip", seed=0)
result.image, result.feature_error
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from invert.library import *  # noqa: F403

__all__ = [  # noqa: F405
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

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Torch takes seconds to import: not before it is needed, so that the command line is quick."""
        if name not in __all__:
            raise AttributeError(f"module 'invert' has no attribute {name!r}")
        from invert import library

        return getattr(library, name)

    def __dir__() -> list[str]:
        return [*globals(), *__all__]
