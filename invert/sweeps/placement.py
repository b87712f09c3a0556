"""Where the cells of a study are worked on: what the command line says of it, which changes no picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from invert.errors import RequestError, unknown
from invert.sweeps.options import Form, option, whole

WHERE = "where to work"
RAY = "ray"
MOST_JOBS = 4_096
UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def _read_on(text: str) -> str:
    if text != RAY and not (text.startswith(f"{RAY}=") and len(text) > len(RAY) + 1):
        raise RequestError(f"{text!r} is none of: ray, ray=ADDRESS (as `ray start` says it)")
    return text


def _read_needs(text: str) -> dict[str, float]:
    """`cpus=2,gpus=0.5,memory=4GB`: what each worker needs; memory in bytes."""
    needs: dict[str, float] = {}
    for part in text.split(","):
        name, _, said = part.strip().partition("=")
        if name not in ("cpus", "gpus", "memory"):
            raise unknown("resource", name, ("cpus", "gpus", "memory"), "as in cpus=2,gpus=1,memory=4GB")
        number = said.rstrip("KMGTB") if name == "memory" else said
        try:
            value = float(number) * UNITS[said[len(number) :]]
        except (ValueError, KeyError):
            value = -1.0
        if not 0 <= value < 2**63 or (value == 0 and name != "gpus"):
            raise RequestError(f"{name}={said!r} is no amount: as in cpus=2,gpus=1,memory=4GB")
        needs[name] = value
    return needs


def _write_needs(needs: Mapping[str, float]) -> str:
    return ",".join(f"{name}={value:.15g}" for name, value in needs.items())


@dataclass(frozen=True, kw_only=True)
class Placement:
    """How many workers, and on what, or whether to work at all."""

    jobs: int | None = option(
        "--jobs",
        "worker processes, 1 for none beside this one (default: what pays on this machine)",
        "N", whole(1, MOST_JOBS), group=WHERE,
    )  # fmt: skip
    on: str | None = option(
        "--on", "workers on a cluster of Ray, or on one of this machine (needs invert[ray])",
        "ray[=ADDRESS]", Form(_read_on), group=WHERE,
    )  # fmt: skip
    needs: dict[str, float] | None = option(
        "--on-options", "what each worker there needs (default: cpus as one has threads, gpus=1 on CUDA)",
        "cpus=N,gpus=N,memory=SIZE", Form(_read_needs, _write_needs), group=WHERE,
    )  # fmt: skip

    dry_run: bool = option(
        "--dry-run", "only say what it would take: cells, time, memory, disk", group=WHERE, default=False
    )

    def __post_init__(self) -> None:
        if self.needs and not self.on:
            raise RequestError("--on-options says what workers of --on ray need: add --on ray")

    @property
    def address(self) -> str | None:
        """Of the cluster, where one is named."""
        return (self.on or "").partition("=")[2] or None
