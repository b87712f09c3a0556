"""Files of weights: what is read, what is unwrapped, and one line for all else."""

from __future__ import annotations

import collections
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor

from invert.errors import RequestError
from invert.subjects import Subject, load
from invert.subjects.sources.alexnet_mini import alexnet_mini

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def state() -> State:
    return load("alexnet-mini", weights="random", seed=3).model.state_dict()


@pytest.fixture(scope="module")
def digest() -> str:
    return load("alexnet-mini", weights="random", seed=3).sha256


WRAPPINGS: dict[str, Callable[[State], Any]] = {
    "plain": lambda s: s,
    "ordered": lambda s: collections.OrderedDict(s),
    "state_dict key": lambda s: {"state_dict": s, "epoch": 3},
    "model key": lambda s: {"model": s, "optimizer": {"lr": 0.1}},
    "DataParallel": lambda s: {f"module.{name}": tensor for name, tensor in s.items()},
    "compiled": lambda s: {f"_orig_mod.{name}": tensor for name, tensor in s.items()},
    "all of it": lambda s: {"state_dict": {f"module.{name}": tensor for name, tensor in s.items()}},
}


@pytest.mark.parametrize(
    ("wrapping", "suffix"), [*((name, ".pth") for name in WRAPPINGS), ("plain", ".pt"), ("plain", ".bin")]
)
def test_state_dicts_are_unwrapped(
    state: State, digest: str, tmp_path: Path, wrapping: str, suffix: str
) -> None:
    torch.save(WRAPPINGS[wrapping](state), tmp_path / f"w{suffix}")
    assert load("alexnet-mini", tmp_path / f"w{suffix}").sha256 == digest


def test_safetensors(state: State, digest: str, tmp_path: Path) -> None:
    save_file(state, tmp_path / "w.safetensors")
    subject = load("alexnet-mini", tmp_path / "w.safetensors")
    assert (subject.sha256, subject.weights) == (digest, "file w.safetensors")
    assert subject.classes is not None and subject.classes[2] == "church"


@pytest.mark.parametrize("model", ["alexnet-mini", "squeezenet1_1", "timm:resnet18"])
def test_a_head_for_other_classes(model: str, tmp_path: Path) -> None:
    build = {
        "alexnet-mini": lambda: alexnet_mini(7),
        "squeezenet1_1": lambda: torchvision.models.squeezenet1_1(num_classes=7),
        "timm:resnet18": lambda: timm.create_model("resnet18", num_classes=7),
    }[model]
    save_file(build().state_dict(), tmp_path / "w.safetensors")
    subject = load(model, tmp_path / "w.safetensors", size=64)
    assert subject.classes is None and subject.layer("output").shape == (7,)


def test_timm_resamples_position_embeddings(tmp_path: Path, vit: Subject) -> None:
    wrapped = {f"module.{name}": tensor for name, tensor in vit.model.state_dict().items()}
    torch.save({"model": wrapped}, tmp_path / "w.pth")
    subject = load("timm:vit_tiny_patch16_224", tmp_path / "w.pth", size=64)
    assert subject.layer("blocks.0").shape == (17, 192)
    assert torch.equal(subject.model.head.weight, vit.model.head.weight)


class Gadget:
    """What a pickle must not be able to bring to life."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("touched"),))


def without(state: State, *names: str) -> State:
    return {name: tensor for name, tensor in state.items() if name not in names}


BROKEN: dict[str, tuple[Callable[[State], Any], str]] = {
    "a missing key": (lambda s: without(s, "fc7.bias"), "does not fit alexnet-mini: 1 missing (fc7.bias)"),
    "two unexpected keys": (
        lambda s: {**s, "a": s["fc7.bias"], "b": s["fc7.bias"]},
        "2 unexpected (first a)",
    ),
    "another shape": (
        lambda s: {**s, "conv2.bias": torch.zeros(3)},
        "1 of another shape (conv2.bias is (3,), not (128,))",
    ),
    "another network": (lambda _s: {"weight": torch.zeros(3)}, "unexpected (weight)"),
    "NaN": (lambda s: {**s, "conv2.bias": torch.full((128,), torch.nan)}, "conv2.bias holds NaN or infinity"),
    "infinity": (lambda s: {**s, "fc8.bias": torch.full((10,), torch.inf)}, "fc8.bias holds NaN or infinity"),
    "a tensor": (lambda _s: torch.zeros(3), "holds a Tensor, not a state dict"),
    "nothing": (lambda _s: {}, "holds a dict, not a state dict"),
    "numbers": (lambda _s: {"a": 3}, "holds a dict, not a state dict"),
    "a whole model": (lambda _s: alexnet_mini(), "holds more than tensors; save model.state_dict() alone"),
    "a gadget": (lambda _s: Gadget(), "holds more than tensors"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_does_not_fit_is_one_line(
    state: State, tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    content, message = BROKEN[case]
    torch.save(content(state), "w.pth")
    with pytest.raises(RequestError) as caught:
        load("alexnet-mini", "w.pth")
    assert message in str(caught.value)
    assert "'w.pth'" in str(caught.value) and "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["w.pth"]


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
@pytest.mark.parametrize(
    "content", [b"", b"nonsense", b"\x80\x02garbage", b"\xff" * 100, b"PK\x03\x04broken"]
)
def test_a_corrupt_file_is_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(
        RequestError, match=r"not a \.safetensors file or a state dict|more than tensors"
    ) as caught:
        load("alexnet-mini", tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_truncated_file_is_one_line(state: State, tmp_path: Path) -> None:
    for path, save in ((tmp_path / "w.safetensors", save_file), (tmp_path / "w.pth", torch.save)):
        save(state, path)
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(RequestError, match=r"not a \.safetensors file or a state dict"):
            load("alexnet-mini", path)


def test_a_zip_that_is_no_weights_is_one_line(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("readme", "hello")
    with pytest.raises(RequestError, match=r"not a \.safetensors file or a state dict"):
        load("alexnet-mini", tmp_path / "w.pth")


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="there is no such file"):
        load("alexnet-mini", tmp_path / "w.pth")
    with pytest.raises(RequestError, match="not a regular file"):
        load("alexnet-mini", tmp_path)
