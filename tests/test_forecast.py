"""The time left, on a clock that goes when it is told to."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from invert.sweeps.cells import Cell
from invert.sweeps.forecast import TimeLeft, kind_of
from invert.sweeps.pace import Pace
from invert.sweeps.request import Request

SECONDS = {"dip": 1.0, "tv": 0.1}
STEPS = 100


def cell(prior: str, n: int, layer: str = "conv") -> Cell:
    request = Request(model="m", layer=(layer,), prior=(prior,), seeds=(n,))
    return Cell(f"{layer}-{prior}-{n}", layer, None, None, "photo", None, request)


@dataclass
class Study:
    """Cells that take what their prior says, and a clock of them."""

    cells: list[Cell]
    jobs: int = 1
    tried: dict[str, float] = field(default_factory=dict)
    now: float = 0.0

    def __post_init__(self) -> None:
        tried = {kind_of(c): s for c in self.cells for prior, s in self.tried.items() if c.prior == prior}
        self.left = TimeLeft(((c, STEPS) for c in self.cells), self.jobs, tried, lambda: self.now)

    def solve(self, cell: Cell, steps: int = STEPS) -> None:
        for step in range(1, steps + 1):
            self.now += SECONDS[cell.prior]
            self.left.stepped([cell], step)
        self.left.finished(cell, steps)
        self.left.ended([cell])


def mixed() -> list[Cell]:
    return [cell(prior, n) for n in range(5) for prior in SECONDS]


def test_priors_of_unlike_speed_are_told_apart_from_the_beginning() -> None:
    """One speed for all would say a half, or ten times as much, depending on which prior comes first."""
    study = Study(mixed(), tried=SECONDS)
    for n, each in enumerate(study.cells):
        truth = sum(STEPS * SECONDS[c.prior] for c in study.cells[n:])
        assert study.left.seconds() == pytest.approx(truth, rel=0.05)
        study.solve(each)
    assert study.left.seconds() == 0


def test_in_the_middle_of_a_cell_its_steps_are_done() -> None:
    study = Study([cell("dip", 0), cell("tv", 0)], tried=SECONDS)
    for step in range(1, 51):
        study.now += 1.0
        study.left.stepped([study.cells[0]], step)
    assert study.left.seconds() == pytest.approx(50 * 1.0 + 100 * 0.1, rel=0.03)


def test_nothing_is_said_where_nothing_is_known() -> None:
    assert Study(mixed()).left.seconds() is None
    assert Study([]).left.seconds() == 0


def test_an_unknown_layer_is_taken_for_the_others_of_its_prior() -> None:
    study = Study([cell("tv", 0), cell("dip", 0), cell("tv", 1, "fc"), cell("dip", 1, "fc")])
    study.solve(study.cells[0])
    study.solve(study.cells[1])
    assert study.left.seconds() == pytest.approx(110, rel=0.05)


def test_the_speed_seen_counts_more_than_the_one_tried() -> None:
    study = Study([cell("dip", n) for n in range(4)], tried={"dip": 9.0})
    assert study.left.seconds() == pytest.approx(3600)
    study.solve(study.cells[0])
    assert study.left.seconds() == pytest.approx(300, rel=0.05)


def test_several_workers_share_what_is_left_and_the_last_cell_is_one_worker_s() -> None:
    study = Study([cell("dip", n) for n in range(4)], jobs=2, tried=SECONDS)
    assert study.left.seconds() == pytest.approx(200)
    for each in study.cells[:3]:
        study.solve(each)
    assert study.left.seconds() == pytest.approx(100, rel=0.05)


def test_cells_that_end_before_their_last_step_shorten_those_to_come() -> None:
    study = Study([cell("dip", n) for n in range(4)], tried=SECONDS)
    study.solve(study.cells[0], steps=50)
    assert study.left.seconds() == pytest.approx(150, rel=0.05)


def test_a_cell_that_is_done_again_is_all_to_do() -> None:
    study = Study([cell("dip", 0)], tried=SECONDS)
    for step in range(1, 91):
        study.now += 1.0
        study.left.stepped(study.cells, step)
    study.left.ended(study.cells)  # its worker is lost
    assert study.left.seconds() == pytest.approx(100, rel=0.05)


def test_seeds_solved_together_share_a_step() -> None:
    together = [cell("dip", n) for n in range(4)]
    study = Study(together)
    for step in range(1, 51):
        study.now += 2.0
        study.left.stepped(together, step)
    assert study.left.seconds() == pytest.approx(100, rel=0.05)


def test_writing_takes_a_share_of_the_time_however_long_it_lasts() -> None:
    now = 0.0
    pace = Pace(lambda: now)
    pace.something_new()
    assert not pace.is_due
    now = 2.0
    assert pace.is_due
    with pace.writing():
        now += 1.0  # a large study
    pace.something_new()
    now += 49.0
    assert not pace.is_due
    now += 1.0
    assert pace.is_due
    with pace.writing():
        now += 0.001  # a small one
    now += 2.0
    assert not pace.is_due  # nothing is new
    pace.something_new()
    assert pace.is_due
