"""A restoration that was broken off goes on to the same bits, its comparison with the truth included."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from invert.report import Record
from invert.sweeps import worker
from invert.sweeps.auto import sweep_of
from invert.sweeps.restoration import Restoration
from invert.sweeps.worker import GroupStep

RUN = "runs/inpaint-dip-photo-s0"
FILES = (f"{RUN}/image.png", f"{RUN}/trace.json", "photo.png")


def request(file: Path) -> Restoration:
    small = {"channels": "8,8", "skip_channels": "4,4", "kernels_down": "3,3", "kernels_up": "3,3"}
    return Restoration(
        task="inpaint", file=(str(file),), simulate=True, prior=("dip",), steps=12, device="cpu",
        settings={"dip": small},
    )  # fmt: skip


def test_it_goes_on_from_its_checkpoint_to_the_same_bits(
    picture: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = request(picture("RGB", width=20, height=17))
    list(sweep_of(asked).run(tmp_path / "whole"))
    monkeypatch.setattr(worker, "CHECKPOINT_SECONDS", 0.0)
    events = sweep_of(asked).run(tmp_path / "broken")
    next(event for event in events if isinstance(event, GroupStep) and event.step == 7)
    events.close()
    assert (tmp_path / "broken" / RUN / "checkpoint.safetensors").is_file()
    again = [
        event.step
        for event in sweep_of(asked).run(tmp_path / "broken", resume=True)
        if isinstance(event, GroupStep)
    ]
    assert again[0] > 1, "it began anew"
    for file in FILES:
        assert (tmp_path / "broken" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file


@pytest.mark.parametrize(
    "harm",
    [
        lambda record: record.update(kept_step=-1),
        lambda record: record.update(layer="inpaint"),
        lambda record: record.update(observed="mask"),
        lambda record: record.update(steps=99),
        lambda record: record["files"].update(observed="../../photo.png"),
    ],
)
def test_a_record_that_this_tool_did_not_write_is_made_again(
    harm: Callable[[dict[str, object]], None], picture: Callable[..., Path], tmp_path: Path
) -> None:
    asked = request(picture("RGB", width=20, height=17))
    list(sweep_of(asked).run(tmp_path / "out"))
    file = tmp_path / "out" / RUN / "record.json"
    record = json.loads(file.read_text())
    assert Record is not None and record["observed"]["operator"] == "mask"
    harm(record)
    file.write_text(json.dumps(record))
    events = list(sweep_of(asked).run(tmp_path / "out", resume=True))
    assert any(isinstance(event, GroupStep) for event in events)
    assert json.loads(file.read_text())["kept_step"] == 12


def test_a_floor_that_is_gone_is_made_again(picture: Callable[..., Path], tmp_path: Path) -> None:
    asked = request(picture("RGB", width=20, height=17))
    list(sweep_of(asked).run(tmp_path / "out"))
    floor = tmp_path / "out" / "images/floors/photo-biharmonic.png"
    content = floor.read_bytes()
    floor.unlink()
    (tmp_path / "out" / "floors.json").write_text("[1, 2")
    list(sweep_of(asked).run(tmp_path / "out", resume=True))
    assert floor.read_bytes() == content
