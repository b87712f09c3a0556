"""`invert doctor`: what is installed here, and whether it computes what it should."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from invert import registry
from invert.cli.arguments import add_options, parser
from invert.cli.study import Output
from invert.cli.terminal import say
from invert.errors import one_line, plain
from invert.sweeps.options import read

if TYPE_CHECKING:
    import torch

PACKAGES = ("torch", "torchvision", "timm", "captum", "numpy", "safetensors")
SIDE, STEPS = 8, 300
NEAR = 0.02
"""How far a pixel of the known answer may be off on average, of the way from black to white.

In fp32 it is off by less than 0.001, in bf16 by 0.005; a picture that was never moved from grey by 0.2.
"""


def doctor(words: list[str]) -> int:
    """Status 1 if a package is missing, a plug-in is broken or a device computes something else."""
    p = parser("doctor", "What is installed here, and whether each device finds a known answer.")
    add_options(p, Output, ("json",))
    output = read(Output, vars(p.parse_args(words)))
    found = examined()
    if output.json:
        print(json.dumps(found, indent=1))
    else:
        _tell(found)
    return 1 if found["broken"] else 0


def examined() -> dict[str, Any]:
    """All that is told, as JSON; `broken` is a line for each thing that is."""
    import torch

    packages = {name: _version(name) for name in PACKAGES}
    devices = [_device(device) for device in _devices()]
    broken = [f"{name} is not installed" for name, there in packages.items() if there is None]
    broken += [f"{d['device']} {d['problem']}" for d in devices if d["problem"]]
    broken += [plain(each.reason) for group in registry.GROUPS for each in registry.broken(group)]
    return {
        "invert": version("invert"),
        "python": platform.python_version(),
        "packages": packages,
        "threads": torch.get_num_threads(),
        "devices": devices,
        "plugins": {group: list(registry.working(group)) for group in registry.GROUPS},
        "broken": broken,
    }


def off(device: torch.device) -> tuple[float, str]:
    """How far the inversion of a layer that loses nothing ends from the one picture that it can be, and
    the precision in which it was found there.

    The layer mixes colours by a matrix which has an inverse, so only the picture itself has its features.
    """
    import torch
    from torch import nn

    from invert.engine.devices import choose_precision
    from invert.library import FeatureMatch, run, wrap

    mix = nn.Conv2d(3, 3, 1, bias=False)
    mix.weight.data = torch.tensor([[0.8, 0.3, -0.1], [-0.2, 0.9, 0.3], [0.3, -0.2, 0.7]])[..., None, None]
    network = wrap(nn.Sequential(mix).to(device), size=SIDE, mean=(0.5,) * 3, std=(0.25,) * 3)
    line = torch.linspace(0.1, 0.9, SIDE)
    picture = torch.stack(
        [line.expand(SIDE, SIDE), line[:, None].expand(SIDE, SIDE), line.flip(0).expand(SIDE, SIDE)]
    )
    precision = choose_precision("auto", device)
    result = run(network, FeatureMatch("0", picture), "none", steps=STEPS, precision=precision)
    return float((result.image[0].cpu() - picture).abs().mean()), precision


def _devices() -> list[torch.device]:
    import torch

    found = [torch.device("cpu")]
    found += [
        torch.device("cuda", n) for n in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)
    ]
    return found + ([torch.device("mps")] if torch.backends.mps.is_available() else [])


def _device(device: torch.device) -> dict[str, Any]:
    """What a device makes of the known answer; `problem` is None where it is found."""
    told: dict[str, Any] = {"device": str(device), "precision": None, "off": None, "problem": None}
    try:
        told["off"], told["precision"] = off(device)
    except Exception as error:  # whatever a driver makes of it
        told["problem"] = f"cannot compute: {one_line(error)}"
    else:
        if not told["off"] < NEAR:
            told["problem"] = f"computes something else: off by {told['off']:.2g} where {NEAR} is allowed"
    return told


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _tell(found: dict[str, Any]) -> None:
    print(f"invert {found['invert']}, Python {found['python']}, {found['threads']} threads")
    for package, there in found["packages"].items():
        print(f"  {package} {there or 'is missing'}")
    for each in found["devices"]:
        if not each["problem"]:
            print(f"{each['device']}, {each['precision']}: finds the known answer, off by {each['off']:.1g}")
    for group, names in found["plugins"].items():
        say(f"{group.removeprefix('invert.')}: {', '.join(names)}")
    for line in found["broken"]:
        say(f"broken: {line}")
