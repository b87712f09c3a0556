"""Weights from a file: untrusted, so read as tensors only, their shapes before their values."""

from __future__ import annotations

import mmap
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import safetensors.torch
import torch
from torch import Tensor, nn

from invert.errors import RequestError
from invert.files import open_regular
from invert.subjects.tensors import kind, unusable

WRAPPERS = ("state_dict", "model", "model_state_dict")
"""Keys under which training scripts keep the state dict of the model."""

PREFIXES = ("module.", "_orig_mod.")
"""What DataParallel and `torch.compile` write before each name."""

State = dict[str, Tensor]


def read(path: str | Path, most: int = 2**36) -> State:
    """The state dict in a `.safetensors` file or in one of `torch.save`, on the CPU, its values unread.

    Only tensors are unpickled (`weights_only=True`). Raises `RequestError` where there is no such
    file, it has over `most` bytes, is damaged, or holds anything but names and dense tensors.
    """
    path = Path(path)
    what = f"weights {str(path)!r}"
    try:
        with open_regular(path, most) as file:
            if path.suffix == ".safetensors":
                content: Any = safetensors.torch.load_file(path)
            else:
                content = _unpickled(path, file)
    except OSError as error:
        raise RequestError(f"{what}: {error.strerror or error}") from None
    except Exception as error:  # a damaged file makes the readers raise whatever they stumble over
        if "weights_only" in str(error) or "Weights only" in str(error):
            raise RequestError(f"{what}: holds more than tensors; save model.state_dict() alone") from None
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise RequestError(
            f"{what}: not a .safetensors file or a state dict that can be read ({reason})"
        ) from None
    state = _unwrapped(content)
    if state is None:
        raise RequestError(f"{what}: holds a {type(content).__name__}, not a state dict (names and tensors)")
    for name, tensor in state.items():
        if problem := unusable(tensor):
            raise RequestError(f"{what}: {name} {problem}")
        if name.rpartition(".")[2] in ("weight", "bias") and not tensor.is_floating_point():
            raise RequestError(f"{what}: {name} is {kind(tensor)}: weights are floating-point numbers")
    return state


def most_bytes(model: nn.Module) -> int:
    """The size of the largest file that may hold weights of `model`, beside an optimiser's state and more."""
    state: State = model.state_dict()
    return 2**28 + 16 * sum(tensor.numel() * tensor.element_size() for tensor in state.values())


def _unpickled(path: Path, file: BinaryIO) -> Any:
    """What `torch.save` wrote, its values mapped from the file where its format allows."""
    zipped = file.read(4) == b"PK\x03\x04"
    if zipped:
        with zipfile.ZipFile(path) as archive:
            # torch.save compresses nothing: what unpacks to more than the file holds is no work of its.
            if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
                raise ValueError("it is compressed, which torch.save never does")
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        if content.find(b"bytearray") >= 0:  # which makes as many bytes as a pickle says
            raise ValueError("it asks for a bytearray, which no weights are")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of TorchScript archives, then raises
        return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)


def without_prefix(state: State, model: nn.Module) -> State:
    """`state` without what wrappers of `model` write before each name."""
    expected = model.state_dict()
    for prefix in PREFIXES:
        if all(key.startswith(prefix) for key in state) and not all(
            key.startswith(prefix) for key in expected
        ):
            state = {key.removeprefix(prefix): tensor for key, tensor in state.items()}
    return state


def misfit(model: nn.Module, state: State) -> str:
    """What of `state` does not fit `model`; empty where it does. No value is read."""
    expected = model.state_dict()
    shapes = [key for key in state if key in expected and state[key].shape != expected[key].shape]
    if shapes:
        have, want = tuple(state[shapes[0]].shape), tuple(expected[shapes[0]].shape)
        return _count(shapes, "of another shape", f"{shapes[0]} is {have}, not {want}")
    kinds = [key for key in state if key in expected and _category(state[key]) != _category(expected[key])]
    if kinds:
        have_kind, want_kind = kind(state[kinds[0]]), kind(expected[kinds[0]])
        return _count(kinds, "of another kind", f"{kinds[0]} is {have_kind}, not {want_kind}")
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    problems = [
        _count(keys, what, keys[0])
        for keys, what in ((missing, "missing"), (unexpected, "unexpected"))
        if keys
    ]
    return "; ".join(problems)


def is_of_its_size(state: State, model: nn.Module) -> bool:
    """Whether `state`, in a format of its own, claims no more numbers than could be `model`'s."""
    return _numbers(state) <= 4 * _numbers(model.state_dict()) + 2**20


def check_finite(state: State, what: str) -> None:
    """Raises `RequestError` for a value that is NaN or infinite. Of a state whose shapes were checked."""
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise RequestError(f"{what}: {name} holds NaN or infinity")


def class_count(model: nn.Module, state: State) -> int | None:
    """How many classes the last layer in `state` has, where that differs from `model`'s; else None.

    The last layer is the last convolution or linear layer of `model`, and has to agree with
    `state` in all but the number of its outputs.
    """
    expected = model.state_dict()
    heads = [path for path, part in model.named_modules() if isinstance(part, (nn.Linear, nn.Conv2d))]
    key = f"{heads[-1]}.weight" if heads else ""
    if key not in state or key not in expected or state[key].ndim != expected[key].ndim:
        return None
    have, want = state[key].shape, expected[key].shape
    return int(have[0]) if have[0] != want[0] and have[1:] == want[1:] else None


def _unwrapped(content: Any) -> State | None:
    for key in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        return None
    if not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items()):
        return None
    return dict(content)


def _numbers(state: Mapping[str, Tensor]) -> int:
    return sum(tensor.numel() for tensor in state.values())


def _category(tensor: Tensor) -> str:
    """Whole, floating-point or complex numbers, or truth values: between these nothing is converted."""
    if tensor.is_floating_point() or tensor.is_complex():
        return "float" if tensor.is_floating_point() else "complex"
    return "bool" if tensor.dtype == torch.bool else "whole"


def _count(keys: list[str], what: str, first: str) -> str:
    return f"{len(keys)} {what} ({'first ' if len(keys) > 1 else ''}{first})"
