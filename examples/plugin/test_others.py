"""What invert asks of an operator, a stop, an objective and a measure, and that they come by name."""

from __future__ import annotations

from invert_brightness import Brightness
from invert_crop import Crop
from invert_fraction import Fraction
from invert_silence import Silence
from invert_texture import Texture

import invert
from invert import registry
from invert.photos import default_photo
from invert.testing import check_measure, check_objective, check_operator, check_stop, tiny_subject


def test_they_keep_what_invert_asks() -> None:
    check_operator(Crop())
    check_stop(Fraction())
    check_objective(Silence("conv"), tiny_subject())
    check_objective(Texture("conv", default_photo()), tiny_subject())
    check_measure(Brightness)


def test_they_come_by_their_entry_points() -> None:
    assert invert.operator("crop", side="8") == Crop(side=8)
    assert invert.stop("fraction", left="0.5") == Fraction(left=0.5)
    assert invert.objective("silence", layer="conv") == Silence("conv")
    assert invert.objective("texture", photo="a.jpg", layer="conv") == Texture("conv", "a.jpg")
    assert registry.get("invert.measures", "brightness") is Brightness


def test_they_work_together() -> None:
    middle = invert.Observation(invert.operator("crop"), default_photo())
    result = invert.restore(middle, "none", steps=200, stops=[invert.stop("fraction", left=0.5)])
    assert result.stopped == "fraction" and result.measures["brightness"] is not None
    cold = invert.run(tiny_subject(), Silence("conv"), "tv", steps=20)
    assert float(cold.loss[-1]) < float(cold.loss[0])
