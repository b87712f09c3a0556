"""A cell is plain values, and a worker computes it from them alone, wherever that is."""

from __future__ import annotations

import json
import multiprocessing
import shlex
from pathlib import Path

import pytest
from PIL import Image

from invert.cli import main
from invert.report import Record
from invert.sweeps.cells import Cell
from invert.sweeps.request import Request
from invert.sweeps.sweep import Sweep
from invert.sweeps.worker import CellFinished, File, Task, Worker
from invert.typed_json import to_json


@pytest.fixture
def request_for_all(own_network: str, tmp_path: Path) -> Request:
    """Layers, a class and units, with two photos of one name, settings of each prior, and controls."""
    for folder, colour in (("a", "red"), ("b", "navy")):
        (tmp_path / folder).mkdir()
        picture = Image.new("RGB", (40, 40), colour)
        picture.paste("white", (5, 5, 20, 30))
        picture.save(tmp_path / folder / "x.png")
    return Request(
        model=own_network, layer=("conv", "fc"), classes=("golf ball",), unit=("conv:3", "conv:2@3,4"),
        image=(str(tmp_path / "a"), str(tmp_path / "b")), prior=("none", "tv"), seeds=(3, 4), steps=2,
        settings={"tv": {"weight": "0.2"}, "none": {"learning_rate": "0.1"}}, photos=str(tmp_path / "a"),
        controls=True, device="cpu",
    )  # fmt: skip


def computed(cells: list[str]) -> dict[str, tuple[dict[str, bytes], Record]]:
    """What a worker that has seen nothing but these cells, as JSON, makes of each."""
    worker, found = Worker(), {}
    for text in cells:
        files = {}
        for event in worker.solve(Task([Cell.from_json(json.loads(text))])):
            if isinstance(event, File):
                files[event.path] = event.content
            elif isinstance(event, CellFinished):
                found[event.cell.id] = files, event.record
    return found


def test_a_worker_elsewhere_computes_the_same_files(request_for_all: Request, tmp_path: Path) -> None:
    """In a process of its own, which gets JSON and nothing else."""
    sweep, out = Sweep(request_for_all), tmp_path / "out"
    for _ in sweep.run(out):
        pass
    assert len(sweep.cells) == len({cell.id for cell in sweep.cells}) == 2 * 2 * (2 * 2 + 3 + 2 * 2)
    with multiprocessing.get_context("spawn").Pool(1) as elsewhere:
        found = elsewhere.apply(computed, ([json.dumps(cell.as_json()) for cell in sweep.cells],))
    assert list(found) == [cell.id for cell in sweep.cells]
    for id, (files, record) in found.items():
        assert f"runs/{id}/image.png" in files
        for path, content in files.items():
            assert (out / path).read_bytes() == content, path
        written = json.loads((out / "runs" / id / "record.json").read_text())
        assert record.error is None
        differs = {name for name, value in to_json(record).items() if value != written[name]}
        of_the_study = {"photos"} if record.target else {"match"}
        assert differs <= {"seconds"} | of_the_study


def test_the_command_of_each_cell_asks_for_it_alone(request_for_all: Request, tmp_path: Path) -> None:
    for cell in Sweep(request_for_all).cells:
        (alone,) = Sweep(cell.request).cells
        same = {"image": None, "control": None}  # which photo of one name, and which of two networks
        assert alone.identity() | same == cell.identity() | same
        assert alone.identity()["seed"] == cell.request.seeds[0]
    words = shlex.split(cell.request.command())[1:]
    assert main([*words, "--quiet", "--out", str(tmp_path / "again")]) == 0


def test_a_worker_says_what_went_wrong_with_a_cell(request_for_all: Request) -> None:
    cell = Sweep(request_for_all).cells[0].as_json()
    cell["request"]["model"] += "t"
    ((files, record),) = computed([json.dumps(cell)]).values()
    assert files == {} and record.stopped is None and "nett" in record.error
