"""Files and command lines with something wrong in them: the end is status 0, 1 or 2, and one line.

A few examples of each here; `make fuzz` draws thousands, each within two seconds of CPU and a GiB.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import shutil
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from invert.cli import carry_out, main
from invert.cli.completion import of_commands, options
from invert.subjects import load
from invert.sweeps.auto import sweep_of
from invert.sweeps.request import SUBCOMMANDS, Request
from invert.sweeps.restoration import Restoration

MANY = float(os.environ.get("INVERT_FUZZ", "0"))
"""The share of the many examples that are drawn; 0 in the suite, which draws few."""
SECONDS, MIB = 2.0, 1024


def drawn(few: int, many: int) -> settings:
    return settings(
        max_examples=round(many * MANY) if MANY else few,
        deadline=None,
        derandomize=not MANY,
        database=None,
        phases=[Phase.generate] if MANY else [Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def memory(what: str) -> int:
    """MiB of this process: what it holds (`VmRSS`), or the most it held (`VmHWM`); 0 where nobody says."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return 0
    return int(status.partition(f"{what}:")[2].split()[0]) // 1024


def memory_from_now() -> int:
    """What this process holds; the most it held is from now on counted anew, where the system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return memory("VmRSS")


def ends_well(*words: object, more_lines: bool = False) -> int:
    """Run a command: it must end with status 0, 1 or 2, and say no more than a line that prints."""
    output, error = io.StringIO(), io.StringIO()
    began, before = time.process_time(), memory_from_now()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(error):
        status = main([str(word) for word in words])
    took, grew = time.process_time() - began, memory("VmHWM") - before
    lines = error.getvalue().splitlines()
    assert status in (0, 1, 2)
    ours = ("invert: ", "comparison: ")  # the second with --json, which has standard output for itself
    assert all(line.isprintable() and len(line) < 2_000 and line.startswith(ours) for line in lines)
    assert all(line.isprintable() for line in output.getvalue().splitlines())
    assert "--debug shows where" not in error.getvalue(), error.getvalue()
    assert lines or not status, "what is wrong is said"
    assert more_lines or len(lines) == (status != 0), lines
    if MANY:
        assert took < SECONDS and grew < MIB, f"{took:.1f} s, {grew} MiB: {lines}"
    return status


# Values that JSON can hold, as text, and no field expects

WRONG = st.one_of(
    st.sampled_from(
        [
            "null", "true", "0", "-1", "3", "1.5", "1e308", "1e999", "NaN", "-Infinity", "9" * 400,
            "9" * 5_000, "18446744073709551616", "-9223372036854775809", "[]", "{}", '""', '"x"', '"17"',
            "[null]", "[[]]", "[1,2,3]", '{"a":1}', '{"":null}', '"../../../etc/passwd"', '"/dev/zero"',
            '"."', '"a\\u0000b"', '"\\ud800"', '"\\u001b[2J\\u202e"', '"[/bold]"', '"$\\\\frac{"',
            '"<script>alert(1)</script>"', '"=1+1"', '"\\n"', '"NaN"', '"running"', '"feature"', '"class"',
            '"random weights"', f'"{"x" * 100_000}"', f'"{"../" * 2_000}"', "[" * 500 + "]" * 500,
            "[" * 100_000 + "]" * 100_000, '{"a":' * 500 + "1" + "}" * 500, f"[{','.join(['0'] * 10_000)}]",
        ]
    ),
    st.integers().map(str),
    st.floats().map(json.dumps),
    st.text(st.characters(exclude_categories=()), max_size=20).map(json.dumps),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ).map(json.dumps),
)  # fmt: skip
HERE = "\ue000here\ue000"


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all that a JSON value holds."""
    yield path
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, entry in entries:
        yield from places(entry, (*path, key))


def damaged(data: st.DataObject, value: Any) -> str:
    """The text of a JSON value with one of its parts replaced, renamed, gone, or doubled."""
    value = json.loads(json.dumps(value))
    *parents, last = data.draw(st.sampled_from([path for path in places(value) if path]))
    parent = value
    for key in parents:
        parent = parent[key]
    how = data.draw(st.sampled_from(["replaced"] * 7 + ["renamed", "gone", "doubled"]))
    if how == "gone":
        del parent[last]
    elif how == "renamed" and isinstance(parent, dict):
        parent[data.draw(st.text(max_size=5))] = parent.pop(last)
    elif how == "doubled" and isinstance(parent, list):
        parent.append(parent[last])
    else:
        parent[last] = HERE
    text = json.dumps(value)
    return text.replace(json.dumps(HERE), data.draw(WRONG)) if json.dumps(HERE) in text else text


@pytest.fixture(scope="module")
def folders(own_network: str, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Real reports: inversions of two photos with controls, classes and units beside photos, and pictures
    restored."""
    where = tmp_path_factory.mktemp("real")
    (where / "photos").mkdir()
    for n in range(2):
        Image.effect_noise((40, 40), 60 + n).convert("RGB").save(where / "photos" / f"{n}.png")
    more = ("--prior", "none", "--steps", 2, "--device", "cpu", "--quiet")
    inversion = ("--layer", "conv,fc", "--seeds", 2, "--image", where / "photos", "--controls")
    driven = ("--class", "cat", "--unit", "conv:1", "--photos", where / "photos", "--judge", own_network)
    for name, words in (("inverted", inversion), ("driven", driven)):
        assert main([str(word) for word in (own_network, *words, *more, "--out", where / name)]) == 0
    restored = ("restore", "denoise", where / "photos" / "0.png", "--simulate", "--sigma", 25, *more)
    assert main([str(word) for word in (*restored, "--out", where / "restored")]) == 0
    # What is imported at its first use is so now, and counts against no example.
    assert main(["report", str(where / "inverted"), "--figure", str(where / "figure.svg")]) == 0
    return [where / "inverted", where / "driven", where / "restored"]


@drawn(40, 5_000)
@given(st.data())
def test_a_report_with_one_thing_wrong(folders: list[Path], data: st.DataObject) -> None:
    folder, other = data.draw(st.permutations(folders))[:2]
    file, merged = folder / "report.json", folder.parent / "merged"
    whole = file.read_bytes()
    shutil.rmtree(merged, ignore_errors=True)
    commands: list[tuple[object, ...]] = [("report", folder)] * 6
    commands += [("report", folder, other, "--out", merged)] * 2
    commands += [("compare", folder, folders[0]), ("compare", folders[0], folder, "--markdown")]
    judged = ("--json", "--fail-if", "feature_error > 0.1")
    commands += [("compare", folder, folders[0], *judged, "--out", merged)]
    commands += [("report", folder, "--figure", folder / "figure.svg")]
    try:
        file.write_text(damaged(data, json.loads(whole)), encoding="utf-8")
        command = data.draw(st.sampled_from(commands))
        ends_well(*command, more_lines=command[0] == "compare")
    finally:
        file.write_bytes(whole)


@pytest.fixture(scope="module")
def one_run(own_network: str, folders: list[Path]) -> tuple[Path, list[object]]:
    """The folder of a single run, and the command that made it."""
    folder = folders[0].parent / "single"
    words = ["--layer", "fc", "--prior", "none", "--steps", 1, "--size", 16, "--device", "cpu", "--quiet"]
    command = [own_network, *words, "--image", folders[0].parent / "photos" / "0.png"]
    assert main([str(word) for word in (*command, "--out", folder)]) == 0
    return folder, command


@drawn(15, 2_000)
@given(st.data())
def test_a_record_with_one_thing_wrong(one_run: tuple[Path, list[object]], data: st.DataObject) -> None:
    folder, command = one_run
    (file,) = folder.glob("runs/*/record.json")
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    try:
        file.write_text(damaged(data, json.loads(kept[file])), encoding="utf-8")
        assert ends_well(*command, "--resume", folder, more_lines=True) in (0, 1)
        (run,) = json.loads((folder / "report.json").read_text(encoding="utf-8"))["runs"]
        assert run["id"] == file.parent.name and (folder / run["files"]["image"]).is_file()
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


@drawn(15, 1_000)
@given(st.data())
def test_a_folder_with_one_thing_wrong(
    one_run: tuple[Path, list[object]], monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    """What lies beside a record: the request, gone on with alone; errors between pictures; the trace."""
    folder, command = one_run
    name = data.draw(st.sampled_from(["request.json", "nulls.json", "runs/*/trace.json"]))
    (file,) = folder.glob(name)
    kept = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    try:
        file.write_text(damaged(data, json.loads(kept[file])), encoding="utf-8")
        if name == "request.json":  # up to the first step: it may ask for a million
            with monkeypatch.context() as patched:
                patched.setattr(carry_out, "carry_out", up_to_the_first_step)
                ends_well("--resume", folder, "--quiet", more_lines=True)
            ends_well(*command, "--resume", folder, more_lines=True)
        else:
            assert ends_well(*command, "--resume", folder, more_lines=True) == 0
            assert ends_well("report", folder) == 0
    finally:
        for path in set(filter(Path.is_file, folder.rglob("*"))) - kept.keys():
            path.unlink()  # a request may ask for more
        for path, content in kept.items():
            path.write_bytes(content)


def up_to_the_first_step(request: Request | Restoration, *_: object, **__: object) -> int:
    sweep_of(request)
    return 0


@pytest.fixture(scope="module")
def weights(own_network: str) -> dict[str, torch.Tensor]:
    network = load(own_network, "random").model
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


KINDS = [
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool,
    torch.complex64, torch.float8_e4m3fn,
]  # fmt: skip
VALUES = st.sampled_from([0.0, 1e38, -1e-45, float("nan"), float("inf")])


def other_weights(data: st.DataObject, state: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Weights of which one tensor is of another kind, shape or name, or holds what is no number."""
    changed: dict[str, Any] = dict(state)
    name = data.draw(st.sampled_from(sorted(state)))
    tensor = changed.pop(name)
    how = data.draw(
        st.sampled_from(["kind", "shape", "name", "gone", "value", "stride", "sparse", "meta", "no"])
    )
    if how == "kind":
        changed[name] = tensor.to(data.draw(st.sampled_from(KINDS)))
    elif how == "shape":
        changed[name] = torch.zeros(data.draw(st.lists(st.integers(0, 9), max_size=5)))
    elif how == "name":
        changed[data.draw(st.text(max_size=30))] = tensor
    elif how == "value":
        changed[name] = tensor.clone()
        changed[name].flatten()[0] = data.draw(VALUES)
    elif how == "stride":
        changed[name] = torch.zeros(1).expand(data.draw(st.sampled_from([tuple(tensor.shape), (2**29,)])))
    elif how == "sparse":
        changed[name] = tensor.to_sparse()
    elif how == "meta":
        changed[name] = tensor.to("meta")
    elif how == "no tensor":
        changed[name] = data.draw(st.none() | st.integers() | st.text(max_size=9) | st.just([tensor]))
    return changed


def packed(data: st.DataObject, state: dict[str, torch.Tensor]) -> tuple[str, bytes]:
    """A file of weights, by name and content: of one of the two formats, perhaps damaged."""
    changed = other_weights(data, state)
    buffer = io.BytesIO()
    form = data.draw(st.sampled_from(["safetensors", "header", "pth", "pickle", "deflated", "bytes"]))
    if form in ("safetensors", "header"):
        plain = {
            name: tensor.contiguous()
            for name, tensor in changed.items()
            if isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided
            and tensor.device.type == "cpu" and tensor.numel() < 10**6
        }  # fmt: skip
        content = safetensors.torch.save({str(n).replace("\ud800", "?"): t for n, t in plain.items()})
        if form == "header":
            length = int.from_bytes(content[:8], "little")
            head = damaged(data, json.loads(content[8 : 8 + length])).encode("utf-8", "replace")
            content = len(head).to_bytes(8, "little") + head + content[8 + length :]
        buffer.write(content)
    elif form == "pth":
        wrapped = data.draw(
            st.sampled_from([changed, {"state_dict": changed}, {"model": changed}, [changed]])
        )
        torch.save(wrapped, buffer)
    elif form == "pickle":
        pickle.dump({name: str(tensor)[:99] for name, tensor in changed.items()}, buffer)
    elif form == "deflated":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", pickle.dumps({"a": 1}))
            archive.writestr("archive/data/0", b"\0" * data.draw(st.sampled_from([1, 10**6, 10**8])))
    else:
        buffer.write(data.draw(st.binary(max_size=300)))
    content = buffer.getvalue()
    if data.draw(st.integers(0, 3)) == 0 and content:
        at = data.draw(st.integers(0, len(content) - 1))
        content = data.draw(
            st.sampled_from([content[:at], content[:at] + b"\xff" + content[at + 1 :], content + b"\0" * 9])
        )
    return data.draw(st.sampled_from(["w.safetensors", "w.pth", "w.bin", "w"])), content


@drawn(40, 1_000)
@given(st.data())
def test_weights_with_something_wrong(
    own_network: str, weights: dict[str, torch.Tensor], tmp_path: Path, data: st.DataObject
) -> None:
    name, content = packed(data, weights)
    (tmp_path / name).write_bytes(content)
    ends_well("layers", own_network, "--weights", tmp_path / name)


NAMES = [
    "conv",
    "fc",
    "cat",
    "0",
    "conv:1",
    "none",
    "tv",
    "all",
    "auto",
    "cpu",
    "0.5,0.5,0.5",
    "MODEL",
    "random",
]
ODD = [
    "", " ", "-", "--", "-x.png", "-1", "1e999", "nan", "9" * 5_000, "2**63", "a,b", ",", "\\",
    "=", "x=y", "[/bold]", "\x1b[2J", "\udc80", "x" * 100_000, "/dev/zero", "/dev/null", "/", ".",
    "conv:99999999999999999999", "conv:1@6,6", "none.steps=1", "none.steps=", "none..=",
    f"none.steps={'9' * 400}", "%s", "{}", "\0", "🐱",
]  # fmt: skip
OPTIONS = sorted(
    {*options(), *(name for names in of_commands().values() for name in names)} - {"--open", "--debug"}
)
OPTIONS += ["--lyer", "--open=1"]
WORD = st.one_of(
    st.sampled_from(NAMES), st.sampled_from(ODD), st.text(st.characters(exclude_categories=()), max_size=9)
)
ASKED = st.one_of(
    st.sampled_from(OPTIONS).map(lambda option: [option]),
    st.tuples(st.sampled_from(OPTIONS), WORD).map(list),
    st.tuples(st.sampled_from(OPTIONS), WORD).map(lambda pair: ["=".join(pair)]),
    WORD.map(lambda word: [word]),
)
FIRST = st.sampled_from(["MODEL"] * 9 + [*sorted(set(SUBCOMMANDS) - {"doctor"}), "nothing-like-it", "a.py:b"])


@drawn(60, 1_000)
@given(FIRST, st.lists(ASKED, max_size=5))
def test_a_command_line_with_something_wrong(
    own_network: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    first: str,
    asked: list[list[str]],
) -> None:
    """Everything up to the first step: the steps are those of other tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(carry_out, "carry_out", up_to_the_first_step)
    monkeypatch.setattr(sys, "argv", ["invert"])
    line = [first, *(word for words in asked for word in words)]
    ends_well(*(own_network if word == "MODEL" else word for word in line))
