"""Weights that claim, hide or are something else: one line, before their values are read."""

from __future__ import annotations

import os
import pickle
import resource
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from invert.errors import RequestError
from invert.subjects import load
from invert.subjects.sources import weights as weights_files
from invert.subjects.sources.alexnet_mini import alexnet_mini

State = dict[str, Tensor]


def state() -> State:
    return {name: tensor.clone() for name, tensor in alexnet_mini().state_dict().items()}


def peak() -> int:
    """The most memory that this process has held, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def refused(path: Path, model: str = "alexnet-mini") -> str:
    with pytest.raises(RequestError) as caught:
        load(model, path)
    assert "\n" not in str(caught.value) and path.name in str(caught.value)
    return str(caught.value)


KINDS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "whole numbers": (lambda t: t.int(), "conv1.weight is int32: weights are floating-point numbers"),
    "truth values": (lambda t: t > 0, "conv1.weight is bool: weights are floating-point numbers"),
    "complex": (lambda t: t.cfloat(), "conv1.weight is complex64: weights are floating-point numbers"),
    "quantised": (
        lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
        "conv1.weight is qint8: make it float32 first",
    ),
    "float8": (lambda t: t.to(torch.float8_e4m3fn), "conv1.weight is float8_e4m3fn: make it float32 first"),
    "sparse": (lambda t: t.to_sparse(), "conv1.weight is sparse or nested, not a dense tensor"),
    "sparse rows": (lambda t: t.flatten(1).to_sparse_csr(), "conv1.weight is sparse or nested"),
    "nested": (lambda t: torch.nested.nested_tensor([t[0], t[1]]), "conv1.weight is sparse or nested"),
    "without values": (lambda t: t.to("meta"), "conv1.weight has no values: it is on the meta device"),
    "lazy": (lambda _: torch.nn.LazyLinear(3).weight, "holds more than tensors"),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_plain_floating_point_is_refused(kind: str, tmp_path: Path) -> None:
    """Whole numbers, truth values, complex and quantised numbers were taken for weights."""
    change, message = KINDS[kind]
    content = state()
    torch.save({**content, "conv1.weight": change(content["conv1.weight"])}, tmp_path / "w.pth")
    assert message in refused(tmp_path / "w.pth")


@pytest.mark.parametrize("kind", [torch.int8, torch.bool])
def test_a_safetensors_file_of_whole_numbers_is_refused(kind: torch.dtype, tmp_path: Path) -> None:
    save_file({name: tensor.to(kind) for name, tensor in state().items()}, tmp_path / "w.safetensors")
    assert "weights are floating-point numbers" in refused(tmp_path / "w.safetensors")


def test_buffers_are_of_their_own_kind(tmp_path: Path) -> None:
    """The batches that a norm has counted are whole numbers, and its means are not."""
    model = "timm:resnet18"
    good = load(model, "random", size=32).model.state_dict()
    save_file(good, tmp_path / "good.safetensors")
    load(model, tmp_path / "good.safetensors", size=32)
    save_file({**good, "bn1.running_mean": good["bn1.running_mean"].long()}, tmp_path / "bad.safetensors")
    assert "1 of another kind (bn1.running_mean is int64, not float32)" in refused(
        tmp_path / "bad.safetensors", model
    )


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_weights(half: torch.dtype, tmp_path: Path) -> None:
    torch.save({name: tensor.to(half) for name, tensor in state().items()}, tmp_path / "w.pth")
    assert load("alexnet-mini", tmp_path / "w.pth").weights == "file w.pth"


CLAIMS: dict[str, Callable[[State], State]] = {
    "for a weight": lambda s: {**s, "conv1.weight": torch.zeros(1).expand(2**16, 2**14)},
    "beside the weights": lambda s: {**s, "more": torch.zeros(1).expand(2**16, 2**14)},
    "in another format": lambda _: {"blocks.0.weight": torch.zeros(1).expand(2**16, 2**14)},
}


@pytest.mark.parametrize("model", ["alexnet-mini", "timm:resnet18"])
@pytest.mark.parametrize("claim", CLAIMS)
def test_a_tensor_that_claims_what_the_file_does_not_hold_is_never_read(
    claim: str, model: str, tmp_path: Path
) -> None:
    """Of stride 0: four gibibytes from a few kilobytes."""
    base = state() if model == "alexnet-mini" else load(model, "random", size=32).model.state_dict()
    torch.save(CLAIMS[claim](base), tmp_path / "w.pth")
    before = peak()
    assert "does not fit" in refused(tmp_path / "w.pth", model)
    assert peak() - before < 2**29


def test_a_compressed_archive_is_refused_unpacked(tmp_path: Path) -> None:
    torch.save({"conv1.weight": torch.zeros(2**25)}, tmp_path / "plain.pth")
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED) as small,
    ):
        for name in plain.namelist():
            small.writestr(name, plain.read(name))
    assert (tmp_path / "w.pth").stat().st_size < 2**18
    assert "it is compressed, which torch.save never does" in refused(tmp_path / "w.pth")


class Bytes:
    """What makes as many bytes as it likes of a few."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (bytearray, (2**31,))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_makes_no_bytes_of_its_own(zipped: bool, tmp_path: Path) -> None:
    torch.save(
        {"conv1.weight": Bytes()},
        tmp_path / "w.pth",
        _use_new_zipfile_serialization=zipped,
        pickle_protocol=2,
    )
    before = peak()
    assert "asks for a bytearray" in refused(tmp_path / "w.pth")
    assert peak() - before < 2**29


def test_the_older_format_of_torch_is_still_read(tmp_path: Path) -> None:
    torch.save(state(), tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    assert load("alexnet-mini", tmp_path / "w.pth").weights == "file w.pth"


def test_a_file_far_larger_than_the_network_is_not_opened(tmp_path: Path) -> None:
    most = weights_files.most_bytes(alexnet_mini())
    for name in ("w.pth", "w.safetensors"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(most + 1)
        assert f"over {most:,}" in refused(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
@pytest.mark.parametrize("name", ["w.pth", "w.safetensors", "labels.txt"])
def test_pipes_and_devices_are_not_waited_for(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    (tmp_path / f"zero-{name}").symlink_to("/dev/zero")
    for path in (tmp_path / name, tmp_path / f"zero-{name}"):
        with pytest.raises(RequestError, match="not a regular file"):
            load("alexnet-mini", labels=path) if "labels" in name else load("alexnet-mini", path)


def test_a_file_of_names_has_its_size(tmp_path: Path) -> None:
    with (tmp_path / "labels.txt").open("wb") as file:
        file.truncate(2**30)
    with pytest.raises(RequestError, match=r"labels.*1,073,741,824 bytes, over 16,777,216"):
        load("alexnet-mini", labels=tmp_path / "labels.txt")


def test_a_pickle_that_nests_without_end_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"\x80\x02" + b"]" * 10**6 + b"a" * (10**6 - 1) + b".")
    refused(tmp_path / "w.pth")
    (tmp_path / "v.pth").write_bytes(pickle.dumps({"a" * 10**6: 1}))
    refused(tmp_path / "v.pth")
