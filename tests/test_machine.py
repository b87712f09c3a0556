"""How a machine is shared out among cells."""

from __future__ import annotations

import sys

import pytest
import torch

from invert.cli.study import parsed
from invert.errors import RequestError
from invert.sweeps import machine, on_ray
from invert.sweeps.options import words
from invert.sweeps.placement import Placement

CPU = torch.device("cpu")


@pytest.fixture
def of(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine of 8 cores and much memory, on which nobody has said anything."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setattr(machine, "memory", lambda: 64 * 10**9)
    return monkeypatch


@pytest.mark.parametrize(("cores", "threads"), [(1, 1), (2, 1), (4, 1), (8, 2), (12, 3), (64, 4)])
def test_threads_are_the_machine_s(cores: int, threads: int, of: pytest.MonkeyPatch) -> None:
    of.setattr(machine, "cores", lambda: cores)
    assert machine.threads() == threads
    assert machine.jobs_that_pay(CPU, 1_000, 10**6) == max(cores // threads, 1)


def test_threads_that_are_said_are_taken(of: pytest.MonkeyPatch) -> None:
    of.setenv("OMP_NUM_THREADS", "8")
    assert machine.threads() == 8 and machine.jobs_that_pay(CPU, 1_000, 10**6) == 1
    for nonsense in ("", "many", "0"):
        of.setenv("OMP_NUM_THREADS", nonsense)
        assert machine.threads() == 2


def test_threads_are_given_back(of: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads()
    of.setenv("OMP_NUM_THREADS", str(before + 1))
    with machine.fixed_threads():
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


def test_workers_are_started_where_they_pay(of: pytest.MonkeyPatch) -> None:
    assert machine.jobs_that_pay(CPU, 1_000, machine.PAYS) == 4
    assert machine.jobs_that_pay(CPU, 1_000, machine.PAYS - 1) == 1  # done before they are there
    assert machine.jobs_that_pay(CPU, 3, 10**6) == 3  # no more than there is work for
    of.setattr(machine, "memory", lambda: 2 * 10**9)
    assert machine.jobs_that_pay(CPU, 1_000, 10**6) == 2
    of.setattr(machine, "memory", lambda: 10**8)
    assert machine.jobs_that_pay(CPU, 1_000, 10**6) == 1
    assert machine.jobs_that_pay(torch.device("mps"), 1_000, 10**6) == 1


def test_one_worker_a_device(of: pytest.MonkeyPatch) -> None:
    of.setattr(torch.cuda, "device_count", lambda: 4)
    assert machine.jobs_that_pay(torch.device("cuda"), 1_000, 10**6) == 4
    assert machine.jobs_that_pay(torch.device("cuda:2"), 1_000, 10**6) == 1


def test_where_to_work_is_said_and_said_again() -> None:
    asked = ["m", "--jobs", "3", "--on", "ray=head:6379", "--on-options", "cpus=2,gpus=0.5,memory=4GB"]
    where = parsed(asked)[2]
    assert where == Placement(jobs=3, on="ray=head:6379", needs={"cpus": 2.0, "gpus": 0.5, "memory": 4e9})
    assert where.address == "head:6379" and Placement(on="ray").address is None
    assert parsed(["m", *words(where)])[2] == where


@pytest.mark.parametrize("amounts", ["cpus", "cpus=x", "gpus=-1", "memory=4XB", "disk=3", "cpus=0"])
def test_amounts_that_are_none(amounts: str) -> None:
    with pytest.raises(RequestError, match=r"cpus=2,gpus=1,memory=4GB"):
        parsed(["m", "--on", "ray", "--on-options", amounts])


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["--on", "slurm"], "is none of: ray, ray=ADDRESS"),
        (["--on", "ray="], "is none of: ray, ray=ADDRESS"),
        (["--on-options", "cpus=1"], "add --on ray"),
        (["--jobs", "0"], "is not a whole number of 1 or more"),
    ],
)
def test_what_is_no_place_to_work(said: list[str], told: str) -> None:
    with pytest.raises(RequestError, match=told):
        parsed(["m", *said])


def test_a_cluster_without_ray_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RequestError, match=r"pip install 'invert\[ray\]'"):
        on_ray._ray()
