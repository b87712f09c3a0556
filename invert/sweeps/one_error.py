"""`invert compare --until auto`: of each layer, one feature error that the runs of both sides reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from invert.errors import RequestError
from invert.report import Report, read_report
from invert.sweeps.auto import common_errors, first_folder
from invert.sweeps.folder import losses_in
from invert.sweeps.options import said_of_layers
from invert.sweeps.request import Request

AnySide = tuple[Path, Request | None]
"""A folder, and the request that is to fill it; None where it holds a run."""


def at_one_error(sides: Sequence[AnySide], pairs: Mapping[str, str]) -> list[AnySide]:
    """The sides, those to be run with the errors at which their layers end: the larger of both.

    The first pass of each that is to be run is in its folder. A side that has been run stays as it is,
    and the other goes on to where it ended, if it gets there. `pairs` maps layers of A to those of B.
    Raises `RequestError` where both have been run, or one so that no one error is where its runs end.
    """
    if all(request is None for _, request in sides):
        raise RequestError("--until auto says where runs end, and both sides have been run: leave it out")
    of_a, of_b = (_ended(folder) if request is None else _reached(folder) for folder, request in sides)
    twins = {layer: pairs.get(layer, layer) for layer in of_a}
    larger = {layer: max(of_a[layer], of_b.get(twin, 0.0)) for layer, twin in twins.items()}
    ends = {**of_b, **{twin: larger[layer] for layer, twin in twins.items() if twin in of_b}}
    return [
        (folder, request and replace(request, until=said_of_layers(errors) or None))
        for (folder, request), errors in zip(sides, (larger, ends), strict=True)
    ]


def _reached(folder: Path) -> dict[str, float]:
    """Of each layer, the least error that all runs of the first pass reach; without those none came to."""
    first = first_folder(folder)
    common = common_errors(read_report(first).runs, lambda run_id: losses_in(first, run_id))
    return {layer: one.error for layer, one in common.items() if one.error is not None}


def _ended(folder: Path) -> dict[str, float]:
    """Of each layer, the one error at which all runs of a study ended. Raises `RequestError`."""
    report = read_report(folder)
    ends = {row.layer: _ends(report, row.layer) for row in report.layers}
    several = [layer for layer, errors in ends.items() if len(errors) != 1 or None in errors]
    if several:
        raise RequestError(
            f"--until auto: the runs of {several[0]} in {folder} did not end at one feature error: run it "
            "with --until auto, or give its network in place of the folder"
        )
    return {layer: error for layer, errors in ends.items() for error in errors if error is not None}


def _ends(report: Report, layer: str) -> set[float | None]:
    runs = [run for run in report.runs if run.layer == layer and run.objective == "feature"]
    return {run.until if run.reached else None for run in runs}
