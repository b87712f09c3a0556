"""Which device and which precision `auto` stands for here."""

from __future__ import annotations

from typing import cast

import torch

from invert.engine.optimisation import Precision
from invert.errors import RequestError


def choose_device(name: str = "auto") -> torch.device:
    """`auto` (CUDA, else Apple's GPU, else the CPU), `cpu`, `cuda`, `cuda:N` or `mps`, if it is there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (index and not (index.isdecimal() and len(index) < 5)):
        raise RequestError(f"unknown device {name!r}: choose from auto, cpu, cuda, cuda:N, mps")
    here = {
        "cpu": index in ("", "0"),
        "cuda": torch.cuda.is_available() and int(index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available(),
    }
    if not here[kind]:
        raise RequestError(f"device {name!r} is not on this machine: --device auto takes what is")
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> Precision:
    """`auto` is bf16 where the device multiplies it natively, which is where it is faster; else fp32."""
    if name not in ("auto", "fp32", "bf16"):
        raise RequestError(f"unknown precision {name!r}: choose from auto, fp32, bf16")
    if name == "auto":
        return "bf16" if _native_bf16(device) else "fp32"
    return cast(Precision, name)


def _native_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported())
    return False
