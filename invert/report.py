"""What `report.json` and `record.json` hold: a class for each kind of object in them (docs/files.md).

Fields are added, never renamed. A new one is one line here with a default; `make schema` writes it
into docs/report.schema.json.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

from invert.errors import RequestError
from invert.typed_json import Fields, Says, load_object, read_as, schema_of

SCHEMA = 1
REPORT = "report.json"

File = Annotated[
    str,
    Says("Relative to the folder that holds report.json.", pattern=r"^(?!/)(?!.*(^|/)\.\.(/|$))[^\\]+$"),
]
Digest = Annotated[str, Says("SHA-256.", pattern="^[0-9a-f]{64}$")]
SPEAKS = {
    "psnr": "PSNR in RGB, or of grey, over the whole picture",
    "psnr_y": "PSNR of luma (Y in studio range) over the middle whose sides are multiples of 32, less 4 "
    "pixels at the top and left and 5 at the bottom and right: as in the tables of super-resolution",
    "psnr_missing": "PSNR in all channels over the pixels that were missing, and no others",
}
"""Of which channels and which part of a picture a headline is."""

Numbers = dict[str, float | None]
"""Values by the name of a measure."""


@dataclass(kw_only=True, eq=False)
class InputShape(Fields):
    """What a network takes."""

    always: ClassVar[str] = "shape mean std"

    shape: Annotated[list[int], Says("Channels, height, width.", minItems=3, maxItems=3)] = field(
        default_factory=list
    )
    mean: list[float] = field(default_factory=list)
    std: list[float] = field(default_factory=list)


@dataclass(kw_only=True, eq=False)
class ReportedSubject(Fields):
    """A network."""

    always: ClassVar[str] = "model weights sha256 input classes"

    model: str = ""
    weights: Annotated[str | None, Says("In words.")] = None
    sha256: Digest | None = None
    input: InputShape = field(default_factory=InputShape)
    classes: Annotated[int | None, Says("How many.")] = None


@dataclass(kw_only=True, eq=False)
class TopClass(Fields):
    """One of a network's five most probable classes."""

    always: ClassVar[str] = "index name probability"

    index: Annotated[int, Says(minimum=0)] = 0
    name: str = ""
    probability: Annotated[float | None, Says(minimum=0, maximum=1.000001)] = None


Top5 = Annotated[
    list[TopClass] | None,
    Says("Most probable first; null where the network has no classes.", maxItems=5),
]


@dataclass(kw_only=True, eq=False)
class Floor(Fields):
    """What a method without a prior makes of what was observed of a picture."""

    always: ClassVar[str] = "method about seconds measures file error"

    method: str = ""
    about: Annotated[str, Says("What it does, and whose it is.")] = ""
    seconds: Annotated[float, Says(minimum=0)] = 0.0
    measures: Numbers = field(default_factory=dict)
    file: File | None = None
    error: Annotated[str | None, Says("Why there is none.")] = None


@dataclass(kw_only=True, eq=False)
class ReportedPhoto(Fields):
    """A photo, as the network saw it; of a restoration the truth, and no file where that is not known."""

    always: ClassVar[str] = "id name sha256 file top5"

    id: str = ""
    name: str = ""
    sha256: Digest | None = None
    file: File | None = None
    top5: Top5 = None
    observed: Annotated[File | None, Says("Of a restoration: what was seen of it.")] = None
    about: Annotated[str, Says("Of a restoration: what is known of it, in words.")] = ""
    floors: Annotated[list[Floor], Says("Of a restoration: what methods of a second make of it.")] = field(
        default_factory=list
    )


@dataclass(kw_only=True, eq=False)
class ReportedMeasure(Fields):
    """What a number is."""

    always: ClassVar[str] = "title unit range better source"

    title: str = ""
    unit: str = ""
    range: Annotated[list[float | None], Says("Low and high; null is unbounded.", minItems=2, maxItems=2)] = (
        field(default_factory=lambda: [None, None])
    )
    better: Annotated[str, Says(enum=["higher", "lower", "neither"])] = "neither"
    source: str = ""
    short: Annotated[str, Says("A label for where there is little room; empty: the title.")] = ""
    place: Annotated[
        str,
        Says("The most prominent place it is shown in.", enum=["caption", "chart", "table"]),
    ] = "table"

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """Low and high, however long the list in the file is."""
        low, high = [*self.range, None, None][:2]
        return low, high


@dataclass(kw_only=True, eq=False)
class ScoredPhoto(Fields):
    """A photo beside a class or unit, as the network saw it."""

    always: ClassVar[str] = "file name score"

    file: File | None = None
    name: str = ""
    score: float | None = None


@dataclass(kw_only=True, eq=False)
class ScoredClass(Fields):
    """The scores of the photos of a class."""

    always: ClassVar[str] = "by count mean max"

    by: Annotated[str, Says("How they were told.", enum=["folder", "network"])] = ""
    count: Annotated[int, Says(minimum=1)] = 0
    mean: float | None = None
    max: float | None = None


@dataclass(kw_only=True, eq=False)
class LeftOut(Fields):
    """What a folder of photos holds and was not looked at, and why."""

    always: ClassVar[str] = "name reason"

    name: str = ""
    reason: str = ""


@dataclass(kw_only=True, eq=False)
class ScoredPhotos(Fields):
    """A class's or unit's scores on the photos of --photos."""

    always: ClassVar[str] = "count skipped mean max highest lowest of_class"

    count: Annotated[int, Says(minimum=1)] = 0
    skipped: Annotated[int, Says("Files that could not be read.", minimum=0)] = 0
    left_out: Annotated[list[LeftOut], Says("The first of them.")] = field(default_factory=list)
    mean: float | None = None
    max: float | None = None
    highest: list[ScoredPhoto] = field(default_factory=list)
    lowest: list[ScoredPhoto] = field(default_factory=list)
    of_class: ScoredClass | None = None


@dataclass(kw_only=True, eq=False)
class Snapshot(Fields):
    """The image after so many steps."""

    always: ClassVar[str] = "step file"

    step: Annotated[int, Says(minimum=0)] = 0
    file: File | None = None


@dataclass(kw_only=True, eq=False)
class AttributionFiles(Fields):
    """Where a layer finds the photo's class; the files are missing where it finds it nowhere."""

    original: File | None = None
    inversion: File | None = None


@dataclass(kw_only=True, eq=False)
class RecordFiles(Fields):
    """The files of a run."""

    always: ClassVar[str] = "image trace record snapshots"

    image: File | None = None
    trace: File | None = None
    record: File | None = None
    snapshots: list[Snapshot] = field(default_factory=list)
    evidence: AttributionFiles | None = None
    observed: Annotated[File | None, Says("Of a restoration: what was seen of the picture.")] = None


@dataclass(kw_only=True, eq=False)
class NullErrors(Fields):
    """The errors between unlike pictures at a layer, that a feature error is small against."""

    of: Annotated[str, Says("Of what the pictures are.", enum=["photos", "crops"])] = "photos"
    pictures: Annotated[int, Says("How many pictures.", minimum=0)] = 0
    pairs: Annotated[int, Says("How many pairs of them, one error each.", minimum=0)] = 0
    least: float | None = None
    median: float | None = None
    enough: Annotated[float | None, Says("The largest error that is matched well enough to be read.")] = None


ENOUGH_DB = 10.0
"""How far below the median error of unlike pictures an error has to be: a tenth of it.

On SqueezeNet the photo without its colours, at half its contrast, or moved by 4 pixels is not as near
as that at any layer (docs/measures.md): a picture that is must show those things right.
"""
ENOUGH_PERCENT = 5.0
"""And the percentile that it may have at most among them."""


def no_more_than_enough(snr_db: float, digits: int) -> float:
    """Decibels rounded to so many digits, but not to `ENOUGH_DB` from below: they are not enough."""
    rounded = round(snr_db, digits) + 0.0  # no negative zero
    return rounded if rounded < ENOUGH_DB or snr_db >= ENOUGH_DB else rounded - 10.0**-digits


@dataclass(kw_only=True, eq=False)
class Match(Fields):
    """How small a feature error is for its layer."""

    percentile: Annotated[
        float, Says("So many percent of the pairs have an error that small, this one counted.", maximum=100)
    ] = 100.0
    snr_db: Annotated[float, Says("Decibels below the pairs' median error.", maximum=100)] = 0.0
    falling: Annotated[
        bool | None, Says("Whether the loss was still falling at the end; null: too few steps to tell.")
    ] = None
    enough: Annotated[bool, Says("Whether it is matched well enough to be read.")] = False
    of: Annotated[str, Says("Of what the pictures are.", enum=["photos", "crops"])] = "photos"
    pairs: Annotated[int, Says("How many pairs of them, one error each.", minimum=0)] = 0

    @property
    def decibels(self) -> str:
        return f"{no_more_than_enough(self.snr_db, 0):.0f} dB".replace("-", "−")

    @property
    def in_short(self) -> str:
        """The decibels; with the percentile, where it is what they do not tell."""
        if self.enough or self.snr_db < ENOUGH_DB:
            return self.decibels
        return f"{self.decibels}, as near as {math.ceil(self.percentile)} % of pairs"


@dataclass(kw_only=True, eq=False)
class RowMatch(Match):
    """That of a row: of the error which nine in ten of its runs are not above."""

    error: Annotated[float, Says("Which error that is.")] = 0.0
    runs: Annotated[int, Says("How many runs have a match.", minimum=0)] = 0
    matched: Annotated[int, Says("How many of them are matched by themselves.", minimum=0)] = 0
    command: Annotated[str | None, Says("Where it is not enough: the command that goes on.")] = None


@dataclass(kw_only=True, eq=False)
class Posed(Fields):
    """An objective that was asked for by name, with `--objective`."""

    always: ClassVar[str] = "name settings"

    name: str = ""
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(kw_only=True, eq=False)
class Observed(Fields):
    """What a picture was seen through, where that is no layer."""

    always: ClassVar[str] = "operator settings"

    operator: Annotated[str, Says("The name of an operator.")] = ""
    settings: Annotated[dict[str, Any], Says("Its settings, as they were for this picture.")] = field(
        default_factory=dict
    )


@dataclass(kw_only=True, eq=False)
class Record(Fields):
    """A run: an entry of `runs` and of `controls`, and what its record.json holds."""

    always: ClassVar[str] = (
        "id objective layer target target_index prior settings image seed steps seconds stopped error device "
        "precision parameters feature_error measures top5 command files"
    )

    id: Annotated[str, Says("Its folder under runs/.", pattern="^[A-Za-z0-9_][A-Za-z0-9._-]*$")] = ""
    objective: Annotated[str, Says(enum=["feature", "class", "unit", "restoration"])] = ""
    layer: str | None = None
    target: str | None = None
    target_index: int | None = None
    prior: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    views: Annotated[dict[str, Any] | None, Says("The random views that each step looked at.")] = None
    image: Annotated[str | None, Says("The id of the photo whose features were matched.")] = None
    control: Annotated[str | None, Says(enum=["random weights", None])] = None
    observed: Annotated[Observed | None, Says("Of a restoration: what the picture was seen through.")] = None
    seed: int = 0
    steps: Annotated[int, Says("Steps done.", minimum=0)] = 0
    seconds: Annotated[float, Says("In the loop alone.", minimum=0)] = 0.0
    stopped: Annotated[
        str | None,
        Says("steps, until, plateau, not finite, interrupted, did not move, or the name of a --stop."),
    ] = None
    kept_step: Annotated[
        int | None, Says("Of a restoration: the step that its picture is of.", minimum=0)
    ] = None
    until: Annotated[float | None, Says("The feature error at which it was to end.")] = None
    reached: Annotated[bool | None, Says("Whether the error of --until was reached.")] = None
    error: str | None = None
    device: str = ""
    precision: str = ""
    threads: Annotated[
        int | None, Says("Of the processor, that computed it: their number decides the last bits.", minimum=1)
    ] = None
    parameters: Annotated[int | None, Says("How many numbers were optimised.")] = None
    feature_error: float | None = None
    match: Match | None = None
    measures: Numbers = field(default_factory=dict)
    top5: Top5 = None
    photos: ScoredPhotos | None = None
    posed: Posed | None = None
    command: str = ""
    sha256: Annotated[Digest | None, Says("Of the file of the picture.")] = None
    files: RecordFiles = field(default_factory=RecordFiles)
    source: Annotated[str | None, Says("In a merged report: the name of the source.")] = None


@dataclass(kw_only=True, eq=False)
class CommonError(Fields):
    """With `--until auto`: the feature error at which all runs of a layer end."""

    error: Annotated[float | None, Says("That error; null where no run came to an end.")] = None
    runs: Annotated[int, Says("How many runs of the first pass reach it: all but these.", minimum=0)] = 0
    left_out: Annotated[list[str], Says("The ids of those that failed or diverged.")] = field(
        default_factory=list
    )
    largest: Annotated[
        float | None, Says("The largest feature error measured of the pictures, controls among them.")
    ] = None


Tiles = Annotated[
    list[list[float | None]] | None,
    Says("The share kept by place in the picture, row by row."),
]


@dataclass(kw_only=True, eq=False)
class Restored(Fields):
    """A restored picture: the mean over seeds, made to agree with what is known."""

    always: ClassVar[str] = "file seeds measures spread uncertainty largest"

    file: Annotated[File | None, Says("At the size, depth and mode of the file that came in.")] = None
    seeds: Annotated[int, Says("Over how many it is the mean.", minimum=1)] = 1
    measures: Numbers = field(default_factory=dict)
    spread: Annotated[
        float | None, Says("Standard deviation over seeds, in levels of 255: its mean square, rooted.")
    ] = None
    uncertainty: Annotated[File | None, Says("Where seeds differ: black nowhere, white most.")] = None
    largest: Annotated[float | None, Says("The standard deviation that is white, in levels of 255.")] = None


@dataclass(kw_only=True, eq=False)
class PhotoRow(Fields):
    """A photo's part of a row: what its own inversions show of it."""

    measures: Numbers = field(default_factory=dict)
    match: RowMatch | None = None
    reading: Annotated[str | None, Says("One sentence.")] = None
    tiles: Tiles = None
    restored: Annotated[Restored | None, Says("Of a restoration: what came of it.")] = None


@dataclass(kw_only=True, eq=False)
class Ranking(Fields):
    """The photos of which a row keeps most and least, by their ids."""

    by: Annotated[str, Says("The measure that decides.")] = ""
    best: Annotated[list[str], Says("The best first.")] = field(default_factory=list)
    worst: Annotated[list[str], Says("The worst first.")] = field(default_factory=list)


@dataclass(kw_only=True, eq=False)
class LayerRow(Fields):
    """A row of `layers`: one layer under one prior."""

    always: ClassVar[str] = (
        "layer prior depth aliases type shape share runs measures spread reading tiles controls"
    )

    layer: str = ""
    prior: str = ""
    depth: Annotated[int, Says("0 for the first layer the image meets.", minimum=0)] = 0
    aliases: list[str] = field(default_factory=list)
    type: str = ""
    shape: list[int] = field(default_factory=list)
    share: Annotated[float | None, Says("The layer's size as a share of the input's.", minimum=0)] = None
    runs: list[str] = field(default_factory=list)
    photos: Annotated[int, Says("How many photos the row's own numbers are pooled over.")] = 0
    photos_there: Annotated[
        int | None, Says("Of how many these were taken, evenly; null: they are all. `by_photo` has all.")
    ] = None
    ranking: Ranking | None = None
    seeds: Annotated[int, Says("How many inversions of each.")] = 0
    measures: Numbers = field(default_factory=dict)
    spread: Numbers = field(default_factory=dict)
    codes: Annotated[
        dict[str, list[float]],
        Says("Photo id to 32 numbers, in which `invert compare` sees whether the layer's code is another."),
    ] = field(default_factory=dict)
    match: RowMatch | None = None
    reading: Annotated[str | None, Says("One sentence.")] = None
    error: Annotated[str | None, Says("Why the row could not be measured.")] = None
    tiles: Tiles = None
    by_photo: Annotated[
        dict[str, PhotoRow], Says("By the id of a photo; the row's own numbers are pooled over photos.")
    ] = field(default_factory=dict)
    neutral: Annotated[
        bool, Says("Whether the prior prefers no image to another, and so makes nothing up.")
    ] = False
    controls: dict[str, Numbers] = field(default_factory=dict)
    posed: Annotated[Posed | None, Says("Of a row that is no layer's: its objective.")] = None
    source: Annotated[str | None, Says("In a merged report: the name of the source.")] = None


@dataclass(kw_only=True, eq=False)
class Origin(Fields):
    """Where a report comes from: what made it, from what request, of which network."""

    always: ClassVar[str] = "tool created status command request subject"

    tool: Annotated[dict[str, str], Says("What made it, and the versions it ran with.")] = field(
        default_factory=dict
    )
    created: Annotated[str, Says("When the run began, UTC.", format="date-time")] = ""
    status: Annotated[str, Says(enum=["running", "done", "interrupted", "failed"])] = ""
    command: Annotated[str, Says("The command line that makes it again.")] = ""
    request: Annotated[dict[str, Any], Says("What was asked, option by option.")] = field(
        default_factory=dict
    )
    headline: Annotated[
        str | None, Says("Of restorations: the measure by which they are compared, where the truth is known.")
    ] = None
    subject: Annotated[ReportedSubject | None, Says("The network; null for a restoration.")] = field(
        default_factory=ReportedSubject
    )
    judge: Annotated[ReportedSubject | None, Says("The network of --judge.")] = None
    nulls: Annotated[dict[str, NullErrors], Says("Of each layer, its errors between unlike pictures.")] = (
        field(default_factory=dict)
    )
    common: Annotated[
        dict[str, CommonError], Says("With --until auto, of each layer the error at which its runs end.")
    ] = field(default_factory=dict)

    @property
    def network(self) -> ReportedSubject:
        """The subject; one without a name where there is none."""
        return self.subject or ReportedSubject()


@dataclass(kw_only=True, eq=False)
class Source(Origin):
    """In a merged report: where some of its runs come from."""

    always: ClassVar[str] = f"name {Origin.always}"

    name: Annotated[str, Says("The prefix of its runs' ids, and their `source`.")] = ""


@dataclass(kw_only=True, eq=False)
class Report(Origin):
    """What `invert` writes beside its page (docs/files.md). Fields are added, never renamed."""

    always: ClassVar[str] = f"schema images measures runs layers {Origin.always}"

    schema: Annotated[int, Says(const=SCHEMA)] = SCHEMA
    images: list[ReportedPhoto] = field(default_factory=list)
    skipped: Annotated[list[LeftOut], Says("Of the folders of --image.")] = field(default_factory=list)
    measures: Annotated[
        dict[str, ReportedMeasure],
        Says("What each number is, by its name, or by the part of its name before the first dot."),
    ] = field(default_factory=dict)
    runs: list[Record] = field(default_factory=list)
    controls: Annotated[
        list[Record], Says("The runs of --controls, on the same network with random weights.")
    ] = field(default_factory=list)
    layers: list[LayerRow] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)


def read_report(folder: Path) -> Report:
    """The report of a folder, checked; `RequestError` in one line where there is none, or a wrong one."""
    file = Path(folder) / REPORT
    if not file.exists():
        raise RequestError(
            f"{folder} holds no report: it has no {REPORT} (give the folder that `invert --out` wrote)"
        )
    value = load_object(file)
    if not isinstance(value.get("runs"), list):
        raise RequestError(f"{file} is no report: it has no list of runs")
    report = read_as(Report, file, value)
    if value.get("schema") != SCHEMA:
        raise RequestError(f"{file}: schema is {report.schema}: this version reads {SCHEMA}")
    return report


def report_schema() -> dict[str, Any]:
    """The JSON schema of `report.json`: docs/report.schema.json."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "report.schema.json"}
    return {**head, "title": REPORT, **schema_of(Report)}


if __name__ == "__main__":
    print(json.dumps(report_schema(), indent=1))
