"""The same study on a cluster of Ray: nodes come and go, the driver is killed, and nothing is lost."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kill_and_resume import contents, differences, finished
from reliability_helpers import report
from test_processes import wait_for

from invert.errors import RunError
from invert.sweeps import on_ray
from invert.sweeps.placement import Placement
from invert.sweeps.request import Request
from invert.sweeps.sweep import Notice, Sweep
from invert.sweeps.worker import CellFinished

pytest.importorskip("ray")
pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own

PROGRAM = "import sys; from invert.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes on this machine, with room for one worker each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def request_for_60(own_network: str) -> Request:
    return Request(
        model=own_network,
        layer=("conv", "fc"),
        prior=("none", "tv"),
        seeds=tuple(range(15)),
        steps=20,
        device="cpu",
    )


@pytest.fixture(scope="module")
def alone(request_for_60: Request, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The files of the study on one machine."""
    out = tmp_path_factory.mktemp("alone") / "out"
    for _ in Sweep(request_for_60).run(out):
        pass
    return contents(out)


def on(cluster: Any, **more: Any) -> Placement:
    return Placement(on=f"ray={cluster.address}", needs={"cpus": 1.0}, **more)


def test_a_node_and_the_driver_are_lost_and_nothing_else(
    cluster: Any, request_for_60: Request, alone: dict[str, Any], tmp_path: Path
) -> None:
    out, where = tmp_path / "out", on(cluster)
    words = request_for_60.command().split()[1:]
    driver = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words, "--out", str(out), "--on", where.on or "", "--quiet"],
        stderr=subprocess.PIPE,
    )
    wait_for(lambda: len(finished(out)) >= 6, 240)
    driver.kill()
    driver.communicate()
    before = finished(out)
    assert 6 <= len(before) < 60 and report(out)["status"] == "running"

    second = cluster.add_node(num_cpus=1)
    done, said = 0, []
    for event in Sweep(request_for_60, where=on(cluster, jobs=2)).run(out, resume=True):
        if isinstance(event, Notice):
            said.append(event.text)
        if isinstance(event, CellFinished):
            done += 1
            if done == 20:
                cluster.remove_node(second, allow_graceful=False)
                cluster.add_node(num_cpus=1)
    assert before.items() <= finished(out).items(), "what was finished was done again"
    assert done == 60 - len(before)
    assert differences(alone, contents(out)) == []
    assert any("a worker on" in text and "torch " in text for text in said)
    assert any("a worker on Ray was lost" in text and "is done again" in text for text in said)


def test_files_travel_to_nodes_that_have_them_not(cluster: Any, own_network: str, tmp_path: Path) -> None:
    """A worker is told where its files lie on its node, and never reads those of the driver."""
    model = tmp_path / "here" / "network.py"
    model.parent.mkdir()
    model.write_text(Path(own_network.removesuffix(":net")).read_text() + "# of this test\n")
    photo = tmp_path / "here" / "photo.png"
    from PIL import Image

    Image.linear_gradient("L").resize((40, 40)).convert("RGB").save(photo)
    request = Request(
        model=f"{model}:net", layer=("conv",), prior=("none",), image=(str(photo),), steps=2, device="cpu"
    )
    events = Sweep(request, where=on(cluster)).run(tmp_path / "out")
    for event in events:
        if isinstance(event, Notice) and "a worker on" in event.text:  # what it needs was sent by then
            shutil.rmtree(model.parent)
    (run,) = report(tmp_path / "out")["runs"]
    assert run["error"] is None and run["steps"] == 2


def test_a_node_of_other_versions_is_refused(
    cluster: Any, request_for_60: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_ray, "versions", lambda: {"invert": "0.1.0", "torch": "1.0", "python": "3"})
    with pytest.raises(RunError, match=r"runs torch .*, here 1\.0: install the same there"):
        list(Sweep(request_for_60, where=on(cluster)).run(tmp_path / "out"))


def test_a_cluster_that_is_not_there_is_one_line(request_for_60: Request, tmp_path: Path) -> None:
    where = Placement(on="ray=127.0.0.1:1")
    with pytest.raises(RunError, match=r"--on ray=127\.0\.0\.1:1: nobody answers there"):
        list(Sweep(request_for_60, where=where).run(tmp_path / "out"))
