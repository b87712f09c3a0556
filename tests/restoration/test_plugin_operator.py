"""A third party's operator, one file and one line, from the command line to the page."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from restoration_helpers import pixels

from invert import registry

PLUGIN = Path(__file__).resolve().parents[2] / "examples" / "plugin"


@pytest.fixture
def crop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The example's operator `crop`, as pip leaves it."""
    site = tmp_path / "site"
    (site / "crop-1.0.dist-info").mkdir(parents=True)
    (site / "invert_crop.py").write_text((PLUGIN / "invert_crop.py").read_text())
    (site / "crop-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: crop\nVersion: 1.0\n")
    (site / "crop-1.0.dist-info" / "entry_points.txt").write_text(
        "[invert.operators]\ncrop = invert_crop:Crop\n"
    )
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    registry._claims.cache_clear()
    yield
    registry._claims.cache_clear()


def test_it_runs_with_its_settings_and_is_in_the_report(
    crop: None, picture: Callable[..., Path], restore: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    file = picture("RGB", width=30, height=20)
    report = restore("crop", file, "--simulate", "--set", "crop.side=8", "--seeds", 2)
    assert report["status"] == "done"
    assert {run["layer"] for run in report["runs"]} == {"crop"}
    assert report["runs"][0]["observed"] == {"operator": "crop", "settings": {"side": 8}}
    middle = np.s_[6:14, 11:19]
    result = pixels(tmp_path / "out" / "photo.png")
    assert np.array_equal(result[middle], pixels(file)[middle])
    assert not np.array_equal(result, pixels(file))
    page = (tmp_path / "out" / "report.html").read_text()
    assert "crop: side 8" in page


def test_a_setting_that_it_does_not_take_is_refused(
    crop: None, picture: Callable[..., Path], refused: Callable[..., str]
) -> None:
    file = picture()
    assert "side is 0: it must be 1 or more" in refused("crop", file, "--simulate", "--set", "crop.side=0")
    assert "--set names 'mask'" in refused("crop", file, "--simulate", "--set", "mask.share=0.5")
