"""What lies in a folder is taken for a cell's only where it is that: all else is done again."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kill_and_resume import contents, differences
from PIL import Image
from reliability_helpers import report

import invert_reports
from invert.engine.optimisation import Optimisation
from invert.files import json_bytes
from invert.sweeps import folder, worker
from invert.sweeps.folder import Folder
from invert.sweeps.request import Request
from invert.sweeps.restoration_sweep import _known as known_floor
from invert.sweeps.sweep import Notice, Sweep
from invert.sweeps.worker import GroupStep

Invert = Callable[..., int]

CELL = "runs/fc-none-grace_hopper-s0"


@pytest.fixture(scope="module")
def request_of_one(own_network: str) -> Request:
    return Request(model=own_network, layer=("fc",), prior=("none",), steps=6, device="cpu")


def run(request: Request, out: Path) -> list[Any]:
    return list(Sweep(request).run(out, resume=True))


def interrupt(request: Request, out: Path, step: int = 3) -> None:
    work = Sweep(request)
    for event in work.run(out, resume=True):
        if isinstance(event, GroupStep) and event.step == step:
            work.interrupt()


@pytest.fixture(scope="module")
def finished(request_of_one: Request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("finished") / "out"
    torch.set_num_threads(1)
    run(request_of_one, out)
    return out


@pytest.fixture(scope="module")
def interrupted(request_of_one: Request, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("interrupted") / "out"
    torch.set_num_threads(1)
    interrupt(request_of_one, out)
    return out


# --- the network and the photos ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("(0.5, 0.5, 0.5)", "(0.4, 0.5, 0.5)", "input"),
        ("(0.25, 0.25, 0.25)", "(0.25, 0.25, 0.5)", "input"),
        ("SIZE, MEAN, STD = 32", "SIZE, MEAN, STD = 36", "input"),
        ('"dog"', '"wolf"', "classes"),
        ("stride=2, padding=2", "stride=2, padding=1", "layers"),
        ("nn.ReLU(inplace=True)", "nn.GELU()", "layers"),
        ("def net():", "def net():  # as it was", "file"),
    ],
)
def test_a_network_that_changed_behind_its_name_is_refused(
    old: str,
    new: str,
    part: str,
    invert: Invert,
    own_network: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its weights are the same in all of these."""
    file = tmp_path / "network.py"
    source = Path(own_network.removesuffix(":net")).read_text()
    assert old in source
    file.write_text(source)
    words = ("--layer", "fc", "--prior", "none", "--steps", 2, "--judge", f"{file}:net")
    assert invert(*words, "--out", tmp_path / "out", model=f"{file}:net") == 0
    before = contents(tmp_path / "out")
    file.write_text(source.replace(old, new))
    capsys.readouterr()
    assert invert(*words, "--resume", tmp_path / "out", model=f"{file}:net") == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"{part} of the network was " in error
    assert f"{part} of the judge was " in error and "sha256 of the network was" not in error
    assert contents(tmp_path / "out") == before


def test_a_folder_of_an_earlier_version_is_refused_in_a_line(
    request_of_one: Request, finished: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(finished, tmp_path / "out")
    kept = {name: value for name, value in read(out / "request.json").items() if " of the " not in name}
    (out / "request.json").write_bytes(json_bytes(kept))
    before = contents(out)
    with pytest.raises(ValueError, match=r"earlier version of invert, which did not note the .*input of the"):
        run(request_of_one, out)
    assert contents(out) == before


# --- records -------------------------------------------------------------------------------------


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def done_again(request: Request, out: Path, whole: Path) -> bool:
    """Whether a run into `out` begins its cell anew, and ends with the files of `whole`."""
    steps = [event.step for event in run(request, out) if isinstance(event, GroupStep)]
    invert_reports.write_page(out)
    return steps[:1] == [1] and differences(contents(whole), contents(out)) == []


ANOTHER_RECORD: dict[str, dict[str, Any]] = {
    "an id alone": {},
    "another seed": {"seed": 1},
    "true for a number": {"seed": False},
    "another layer": {"layer": "conv"},
    "another objective": {"objective": "class"},
    "other settings": {"settings": {"steps": 6}},
    "more steps than asked": {"steps": 7},
    "fewer steps than all": {"steps": 5},
    "no steps": {"steps": 0},
    "an endless number": {"feature_error": float("inf")},
    "a number as text": {"seconds": "1"},
    "a measure that is a list": {"measures": {"psnr": [1]}},
    "classes that are none": {"top5": [{"index": 0, "name": None, "probability": 1}]},
    "photos elsewhere": {
        "photos": {
            "count": 1, "skipped": 0, "mean": 0, "max": 0, "lowest": [], "of_class": None,
            "highest": [{"file": "photos/../../secret.png", "name": "x", "score": 1}],
        }
    },
    "failed, with a picture": {"error": "no", "stopped": None},
    "half a character": {"device": "\ud800"},
    "a number of 400 digits": {"parameters": 10**400},
    "files of others": {"files": {"image": "../../secret.png", "trace": None, "snapshots": []}},
    "no files": {"files": None},
    "a field too many": {"more": 1},
}  # fmt: skip


@pytest.mark.parametrize("what", ANOTHER_RECORD)
def test_a_record_that_is_not_the_cells_is_done_again(
    what: str, request_of_one: Request, finished: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(finished, tmp_path / "out")
    file = out / CELL / "record.json"
    record = {"id": read(file)["id"]} if what == "an id alone" else read(file) | ANOTHER_RECORD[what]
    file.write_text(json.dumps(record))
    assert done_again(request_of_one, out, finished)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff", b"[" * 10**5, b'{"id": ' + b"9" * 5000 + b"}"]
)
def test_a_record_that_is_no_record_is_done_again(
    content: bytes, request_of_one: Request, finished: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(finished, tmp_path / "out")
    (out / CELL / "record.json").write_bytes(content)
    assert done_again(request_of_one, out, finished)


def another_picture(cell: Path) -> None:
    Image.new("RGB", (32, 32), "red").save(cell / "image.png")


def picture_gone(cell: Path) -> None:
    (cell / "image.png").unlink()


def trace_gone(cell: Path) -> None:
    (cell / "trace.json").unlink()


def trace_cut(cell: Path) -> None:
    trace = read(cell / "trace.json")
    (cell / "trace.json").write_text(json.dumps({name: values[:-1] for name, values in trace.items()}))


def trace_of_words(cell: Path) -> None:
    trace = read(cell / "trace.json") | {"loss": ["a"] * 6}
    (cell / "trace.json").write_text(json.dumps(trace))


def trace_of_digits(cell: Path) -> None:
    trace = read(cell / "trace.json") | {"loss": [10**400] * 6}
    (cell / "trace.json").write_text(json.dumps(trace))


def picture_of_a_gibibyte(cell: Path) -> None:
    os.truncate(cell / "image.png", 2**30)


def snapshot_gone(cell: Path) -> None:
    next((cell / "snapshots").iterdir()).unlink()


def checkpoint_is_a_folder(cell: Path) -> None:
    (cell / "record.json").unlink()
    (cell / "checkpoint.safetensors").mkdir()


def record_is_a_pipe(cell: Path) -> None:
    (cell / "record.json").unlink()
    os.mkfifo(cell / "record.json")


@pytest.mark.parametrize(
    "harm",
    [
        *(another_picture, picture_gone, picture_of_a_gibibyte, snapshot_gone, record_is_a_pipe),
        checkpoint_is_a_folder,
        *(trace_gone, trace_cut, trace_of_words, trace_of_digits),
    ],
)
def test_a_cell_whose_files_are_not_its_own_is_done_again(
    harm: Callable[[Path], None], request_of_one: Request, finished: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(finished, tmp_path / "out")
    harm(out / CELL)
    assert done_again(request_of_one, out, finished)


# --- checkpoints ---------------------------------------------------------------------------------


def rewrite(out: Path, change: Callable[[dict[str, torch.Tensor]], None], vouched: bool) -> None:
    """Change a checkpoint; `vouched`: so that what it says of itself is true of the change."""
    file = out / CELL / "checkpoint.safetensors"
    with safetensors.safe_open(file, framework="pt") as opened:
        state = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        metadata = opened.metadata()
    change(state)
    if vouched:
        metadata = folder._checkpoint_of(metadata["of"], state)
    file.write_bytes(safetensors.torch.save(state, metadata))


KEPT = "memory.keeper.picture"

CHANGES: dict[str, Callable[[dict[str, torch.Tensor]], None]] = {
    "a name gone": lambda state: state.pop(KEPT),
    "the step gone": lambda state: state.pop("step"),
    "another shape": lambda state: state.update({KEPT: state[KEPT][..., :16].contiguous()}),
    "a shape that could be stretched": lambda state: state.update({KEPT: torch.zeros(1)}),
    "another type": lambda state: state.update({KEPT: state[KEPT].long()}),
    "a step beyond the end": lambda state: state.update(step=torch.tensor(10**9)),
    "a step before the start": lambda state: state.update(step=torch.tensor(-1)),
    "several steps": lambda state: state.update(step=torch.tensor([1, 2])),
    "another moment": lambda state: state.update({"adam.x.y": torch.zeros(1)}),
    "a moment of another parameter": lambda state: state.update({"adam.7.exp_avg": torch.zeros(1)}),
}


@pytest.mark.parametrize("vouched", [False, True])
@pytest.mark.parametrize("what", CHANGES)
def test_a_checkpoint_that_does_not_fit_is_done_again(
    what: str, vouched: bool, request_of_one: Request, finished: Path, interrupted: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(interrupted, tmp_path / "out")
    rewrite(out, CHANGES[what], vouched)
    assert done_again(request_of_one, out, finished)


def test_a_checkpoint_of_another_cell_is_done_again(
    own_network: str, request_of_one: Request, finished: Path, interrupted: Path, tmp_path: Path
) -> None:
    other = Request(model=own_network, layer=("conv",), prior=("none",), steps=6, device="cpu")
    interrupt(other, tmp_path / "other")
    out = shutil.copytree(interrupted, tmp_path / "out")
    (checkpoint,) = (tmp_path / "other").rglob("checkpoint.safetensors")
    shutil.copy(checkpoint, out / CELL / "checkpoint.safetensors")
    assert done_again(request_of_one, out, finished)


def test_a_checkpoint_with_which_a_cell_fails_does_not_fail_for_ever(
    request_of_one: Request,
    finished: Path,
    interrupted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = shutil.copytree(interrupted, tmp_path / "out")

    def restore(self: Optimisation, state: dict[str, torch.Tensor]) -> None:
        self.step = 3
        self.canvas = None  # type: ignore[assignment]

    monkeypatch.setattr(Optimisation, "restore", restore)
    run(request_of_one, out)
    assert report(out)["status"] == "done"
    assert differences(contents(finished), contents(out)) == []


# --- anything ------------------------------------------------------------------------------------

values = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(0, 9), st.floats(), st.text(max_size=5),
    st.sampled_from(["steps", "interrupted", "../../secret.png", "runs/x/image.png", [], {}, [[]], 10**400]),
)  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all that can be changed in JSON."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = [place for key, item in items for place in places(item, (*path, key))]
    return [*([path] if path else []), *below]


def changed(record: dict[str, Any], place: tuple[Any, ...], value: Any, drop: bool) -> dict[str, Any]:
    record = copy.deepcopy(record)
    at: Any = record
    for key in place[:-1]:
        at = at[key]
    if drop:
        del at[place[-1]]
    else:
        at[place[-1]] = value
    return record


fuzzed = settings(
    deadline=None,
    derandomize=True,
    max_examples=int(os.environ.get("INVERT_FUZZ", "25")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@fuzzed
@given(data=st.data())
def test_any_change_of_a_record_is_done_again_or_changes_a_number(
    data: st.DataObject, request_of_one: Request, finished: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = shutil.copytree(finished, tmp_path_factory.mktemp("any") / "out")
    file = out / CELL / "record.json"
    record = read(file)
    place = data.draw(st.sampled_from(places(record)))
    file.write_text(json.dumps(changed(record, place, data.draw(values), data.draw(st.booleans()))))
    found = read(file)
    run(request_of_one, out)
    invert_reports.write_page(out)
    content = report(out)
    assert content["status"] == "done"
    if differences(contents(finished), contents(out)):
        (kept,) = content["runs"]
        told = kept | {"match": found["match"]}  # which the study says of it, and not the record
        assert read(file) == found and told == found | {"command": record["command"]}
        assert place[0] in worker_says(found)


def worker_says(record: dict[str, Any]) -> set[str]:
    """What only the worker knows: nothing else there can tell whether it is true."""
    return set(record) & {
        *("seconds", "stopped", "device", "precision", "threads", "parameters", "views"),
        *("feature_error", "measures", "top5", "photos", "command"),
    }


@fuzzed
@given(data=st.data())
def test_any_change_of_a_checkpoint_ends_in_a_finished_cell(
    data: st.DataObject, request_of_one: Request, interrupted: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    out = shutil.copytree(interrupted, tmp_path_factory.mktemp("any") / "out")

    def change(state: dict[str, torch.Tensor]) -> None:
        name = data.draw(st.sampled_from(sorted(state)))
        shape = data.draw(st.lists(st.integers(0, 4), max_size=3))
        dtype = data.draw(
            st.sampled_from([torch.float32, torch.float64, torch.int64, torch.uint8, torch.bool])
        )
        fill = data.draw(st.sampled_from([0, 1, -1, 7, 255]))
        same = data.draw(st.booleans())
        state[name] = torch.full_like(state[name], fill) if same else torch.full(shape, fill, dtype=dtype)

    vouched = data.draw(st.booleans())
    rewrite(out, change, vouched)
    run(request_of_one, out)
    (record,) = report(out)["runs"]
    assert record["error"] is None and record["steps"] <= 6 and not list(out.rglob("checkpoint*"))


# --- threads -------------------------------------------------------------------------------------


def test_another_number_of_threads_is_said(
    invert: Invert, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    words = ("--layer", "conv,fc", "--prior", "none", "--steps", 2, "--resume", tmp_path / "out")
    assert invert(*words) == 0
    assert [record["threads"] for record in report(tmp_path / "out")["runs"]] == [1, 1]
    (tmp_path / "out" / "runs" / "conv-none-grace_hopper-s0" / "record.json").unlink()
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    capsys.readouterr()
    assert invert(*words) == 0
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "computed with 1 threads, what is to come with 2" in error
    assert [record["threads"] for record in report(tmp_path / "out")["runs"]] == [2, 1]
    assert invert(*words) == 0
    assert "threads" not in capsys.readouterr().err  # nothing is to come


def test_the_same_number_of_threads_is_not(
    request_of_one: Request, interrupted: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(interrupted, tmp_path / "out")
    assert not [event for event in run(request_of_one, out) if isinstance(event, Notice)]


def test_checkpoints_are_written_while_a_cell_lasts(
    request_of_one: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "CHECKPOINT_SECONDS", 0.0)
    events = Sweep(request_of_one).run(tmp_path)
    next(event for event in events if isinstance(event, GroupStep) and event.step == 4)
    events.close()
    fingerprint = Sweep(request_of_one).fingerprint
    state = folder.Folder(tmp_path).checkpoint(
        CELL.removeprefix("runs/"), fingerprint(Sweep(request_of_one).cells)
    )
    assert state is not None and int(state["step"]) >= 3


@pytest.mark.parametrize("file", ["../secret.png", "images/floors/other.png", None])
def test_a_floor_lies_where_it_is_written(file: str | None, tmp_path: Path) -> None:
    """What floors.json says of one is taken where it names the file that this tool writes, and no other."""
    for name in ("secret.png", "out/images/floors/other.png", "out/images/floors/photo-box.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(tmp_path / name)
    folder, written = Folder(tmp_path / "out"), "images/floors/photo-box.png"
    assert known_floor(folder, {"method": "box", "file": written}, written) is not None
    assert known_floor(folder, {"method": "box", "file": file}, written) is None
