"""What is known of a picture, where it is not what a layer holds: one operator a file."""

from invert.operators.downsample import Downsample
from invert.operators.identity import Identity
from invert.operators.mask import Mask
from invert.operators.projections import Projections

__all__ = ["Downsample", "Identity", "Mask", "Projections"]
