"""The doctor computes: a device that finds something else than the known answer is broken."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError
from typing import Any

import pytest
import torch
from torch import nn

from invert.cli import doctor, main


def examined(capsys: pytest.CaptureFixture[str], status: int) -> dict[str, Any]:
    assert main(["doctor", "--json"]) == status
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_known_answer_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    found = examined(capsys, 0)
    (cpu,) = [d for d in found["devices"] if d["device"] == "cpu"]
    assert cpu["problem"] is None and cpu["off"] < doctor.NEAR / 4 and cpu["precision"] in ("fp32", "bf16")
    assert found["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert "dip" in found["plugins"]["invert.priors"] and found["broken"] == []
    assert main(["doctor"]) == 0
    assert "finds the known answer" in capsys.readouterr().out


def test_a_device_that_computes_something_else_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = nn.functional.conv2d
    monkeypatch.setattr(doctor, "STEPS", 30)

    def wrong(image: torch.Tensor, *arguments: Any, **more: Any) -> torch.Tensor:
        # The picture that is looked for is turned, those on the way are not.
        return right(image if image.requires_grad else image.flip(-1), *arguments, **more)

    monkeypatch.setattr("torch.nn.modules.conv.F.conv2d", wrong)
    found = examined(capsys, 1)
    assert "computes something else" in found["devices"][0]["problem"]
    assert found["broken"] == [f"cpu {found['devices'][0]['problem']}"]


def test_a_device_that_fails_and_a_missing_package_are_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(device: torch.device) -> tuple[float, str]:
        raise RuntimeError("CUDA error: no kernel image\nis available")

    def version(package: str) -> str:
        if package == "timm":
            raise PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(doctor, "off", fails)
    monkeypatch.setattr(doctor, "version", version)
    assert main(["doctor"]) == 1
    told = capsys.readouterr().out
    assert "broken: timm is not installed\n" in told and "timm is missing" in told
    assert "broken: cpu cannot compute: RuntimeError: CUDA error: no kernel image is available\n" in told


def test_what_is_not_a_number_is_not_the_known_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "off", lambda device: (float("nan"), "fp32"))
    assert main(["doctor"]) == 1
