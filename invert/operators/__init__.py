"""What is known of a picture, where it is not what a layer holds: one operator a file."""

from invert.operators.identity import Identity
from invert.operators.mask import Mask

__all__ = ["Identity", "Mask"]
