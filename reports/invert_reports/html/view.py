"""What the page's template shows, in words and picture keys: no HTML, and no number left raw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from invert.report import Posed, Record, Report, ReportedPhoto, ScoredClass, ScoredPhotos
from invert_reports.html import provenance
from invert_reports.html.bars import FLOOR, Bars, bars, is_pooled, is_unmatched, over
from invert_reports.html.charts import Panel
from invert_reports.html.contents import Contents, numbers_of
from invert_reports.html.headline import panels
from invert_reports.html.listing import layers_table, runs_table
from invert_reports.html.numbers import percent, probability, short
from invert_reports.html.pictures import Album
from invert_reports.html.vocabulary import Vocabulary, Words, match_in_short
from invert_reports.study import Crossing, NetworkStudy, Row, titles
from invert_reports.study import studies as studies_of

ITSELF = "What the network under study sees in the picture"
JUDGED = "What an independent network sees in it (--judge)"
SHOWN_REAL = {"highest": ("most", 4), "lowest": ("least", 2)}


@dataclass(frozen=True)
class Link:
    """To another page of the same report, and how many runs it shows."""

    href: str
    text: str
    runs: int | None


class View:
    """A report made ready for the template."""

    def __init__(
        self,
        report: Report,
        studies: Sequence[NetworkStudy],
        album: Album,
        whole: Report | None = None,
        about: str = "",
        links: Sequence[Link] = (),
    ) -> None:
        self.report, self.studies = report, studies
        self.about, self.links = about, links
        self.vocabulary = Vocabulary(report.measures)
        self.contents = Contents(report, studies, album)
        self.lede = provenance.lede(report, studies if whole is None else studies_of(whole))
        self.banner = provenance.banner(report if whole is None else whole)
        self.running = report.status == "running"
        self.commands = provenance.commands(report)
        self.provenance = provenance.sections(report)
        self.tool = provenance.tool(report)
        self.quality = str(album.level)
        self.layers = layers_table(self.contents, self.vocabulary)
        self.runs = runs_table(self.contents, self.vocabulary)

    @property
    def title(self) -> str:
        models = list(dict.fromkeys(self._titles))
        named = " and ".join(models[:3]) + (" and more" if len(models) > 3 else "")
        if any(study.rows for study in self.studies):
            return f"What {named} {'keep' if len(models) > 1 else 'keeps'}"
        return f"What {named} {'look' if len(models) > 1 else 'looks'} for"

    def network(self, study: NetworkStudy) -> tuple[str, str]:
        """The network's name, and its weights in words."""
        return self._titles[self.studies.index(study)], study.subject.weights or ""

    @cached_property
    def _titles(self) -> list[str]:
        return titles([(study.subject.model, study.subject.weights) for study in self.studies])

    def headline(self, study: NetworkStudy) -> list[Panel]:
        return panels(study, self.vocabulary)

    @cached_property
    def failed(self) -> list[tuple[str, str]]:
        """Title and reason of each run that failed."""
        failed = [run for run in self.contents.runs if run.error]
        return [(f"{self.contents.place(r)}, {self.contents.alone(r)}", r.error or "") for r in failed]

    @property
    def glossary(self) -> list[Words]:
        """Every number on the page: what it is and where it comes from."""
        known = [numbers_of(run) for run in self.contents.runs]
        known += [c.summary.measures for study in self.studies for c in study.crossings()]
        return self.vocabulary.glossary(
            name for values in known for name, value in values.items() if value is not None
        )

    # Pictures

    def first(self, study: NetworkStudy, crossing: Crossing) -> Record | None:
        """The run a crossing shows before anything is chosen: the first photo's, with the lowest seed."""
        photo = study.photos[0].id if study.photos else None
        seed = study.seeds[0] if study.seeds else None
        return next((r for r in crossing.runs if r.image == photo and r.seed == seed), None)

    def embedded(self) -> set[str]:
        """The pictures that the template shows itself: they are embedded there, and only there."""
        keys = {self.contents.photo(study.photos[0]) for study in self.studies if study.photos and study.rows}
        for study in self.studies:
            firsts = [self.first(study, crossing) for row in study.rows for crossing in row.crossings]
            keys |= {self.contents.picture(run) for run in firsts if run}
            keys |= {
                self.contents.picture(r)
                for row in study.gallery
                for crossing in row.crossings
                for r in crossing.runs
            }
            keys |= {key for row in study.gallery for _, photos in self.real(row) for key, *_ in photos}
        return {key for key in keys if key}

    def uri(self, key: str) -> str:
        return self.contents.album.uris[key]

    # Numbers

    def caption(self, run: Record) -> list[tuple[str, str, str]]:
        """The few numbers under a picture: label, value, and what it is. All that is known in a gallery."""
        values = {name: value for name, value in numbers_of(run).items() if value is not None}
        entries = self.vocabulary.entries(values)
        if run.objective == "feature":
            entries = [entry for entry in entries if entry.words.place == "caption"]
        match = [match_in_short(run.match)] if run.match else []
        return [*(entry.in_short() for entry in entries), *match]

    def drawn_caption(self, run: Record) -> list[tuple[str, str, str]]:
        """Under a picture that something was driven up in: of a class what the network itself and the judge
        see; of a unit no class, which it is not about."""
        seen: list[tuple[str, str, str]] = []
        in_words: set[str] = set()
        name = self._class_name(run)
        own = run.measures.get("target_probability")
        if run.target_index is not None and own is not None:
            seen.append(("itself", f"{name} {probability(own)}{self._rather(run)}", ITSELF))
            in_words |= {"target_probability", "target_rank"}
        if run.target_index is not None and self.judge:
            seen.append((f"judge {self.judge}", self._judged(run, name), JUDGED))
            in_words |= {"judge_rank", "judge_probability"}
        labels = {self.vocabulary.words(each).short for each in in_words}
        return [*seen, *(entry for entry in self.caption(run) if entry[0] not in labels)]

    def _class_name(self, run: Record) -> str:
        """Of the class that a run is about: where it was asked for by name the report may not say it."""
        known = (c.name for c in run.top5 or [] if c.index == run.target_index)
        return run.target or "" if run.posed is None else next(known, f"class {run.target_index}")

    def _rather(self, run: Record) -> str:
        """What the network sees in the picture, if that is another class."""
        first = next(iter(run.top5 or []), None)
        if first is None or first.index == run.target_index:
            return ""
        return f", rather {first.name} {probability(first.probability)}"

    def _judged(self, run: Record, name: str) -> str:
        sure, rank = (run.measures.get(f"judge_{part}") for part in ("probability", "rank"))
        if sure is None or rank is None:
            return f"knows no {name}"
        return f"{name} {probability(sure)}" + (f", {short(rank)} others before it" if rank else "")

    def marks(self, study: NetworkStudy, drawn: Sequence[Panel]) -> str:
        """What the dots and whiskers of charts are, where there are some."""
        told = []
        if any(len(dots) > 1 for panel in drawn for series in panel.series for dots in series.dots):
            told.append("faint dots: single runs")
        if any(spread for panel in drawn for series in panel.series for spread in series.spread):
            what = "photos" if len(study.photos) > 1 else "seeds"
            told.append(f"whiskers: one standard deviation over {what}")
        return f" {'; '.join(told).capitalize()}." if told else ""

    def real(self, row: Row) -> list[tuple[str, list[tuple[str, str, str]]]]:
        """The photos that drive a target most, and least: key, name and score of each."""
        shown: set[str] = set()
        told = []
        for part, (label, count) in SHOWN_REAL.items():
            found = next(filter(None, (self.contents.real(run, part) for run in row.runs)), [])
            photos = [(key, name, short(score)) for key, name, score in found if name not in shown][:count]
            shown |= {name for _, name, _ in photos}
            if photos:
                told.append((label, photos))
        return told

    def real_scores(self, row: Row) -> list[str]:
        """What real photos score, beside which the scores reached are to be read."""
        known = next((run.photos for run in row.runs if run.photos is not None), None)
        if known is None:
            return []
        told = [f"{known.count} photos: {_mean_and_best(known)}"]
        mine = known.of_class
        if mine is not None:
            whose = "of the class" if mine.by == "folder" else "that the network calls so"
            told.append(f"{mine.count} {whose}: {_mean_and_best(mine)}")
        return told

    @property
    def judge(self) -> str:
        """The independent network that judged, by name; empty where none did."""
        return self.report.judge.model if self.report.judge else ""

    def top(self, entry: Record | ReportedPhoto) -> list[tuple[str, str]]:
        """The five most probable classes, with their probabilities."""
        return [(known.name, probability(known.probability)) for known in entry.top5 or []]

    def has_shares(self, study: NetworkStudy) -> bool:
        return any(
            part.rows for row in study.rows for crossing in row.crossings for part in bars(crossing.summary)
        )

    def unmatched(self, crossing: Crossing) -> bool:
        """Whether a row is not matched well enough for what its pictures show to be read."""
        return is_unmatched(crossing.summary.match)

    def any_unmatched(self, study: NetworkStudy) -> bool:
        return any(self.unmatched(crossing) for row in study.rows for crossing in row.crossings)

    def bars(self, crossing: Crossing) -> list[Bars]:
        return bars(crossing.summary)

    def pooled(self, crossing: Crossing) -> str:
        """What a row's own numbers are pooled over; empty where that is one photo."""
        return over(crossing.summary) if is_pooled(crossing.summary) else ""

    def pooled_over(self, study: NetworkStudy) -> str:
        """What a study's rows are pooled over, which an overview shows a part of."""
        rows = [crossing.summary for row in study.rows for crossing in row.crossings]
        return over(max(rows, key=lambda row: row.photos_there or row.photos)) if rows else ""

    def ranking(self, crossing: Crossing) -> str:
        """The photos of which a row keeps most and least, by name; empty where none are named."""
        known = crossing.summary.ranking
        if known is None:
            return ""
        best, worst = (
            ", ".join(self.contents.photo_name(photo) for photo in photos)
            for photos in (known.best, known.worst)
        )
        return f"Best: {best}; worst: {worst} (by {known.by})."

    def shows_floor(self, study: NetworkStudy) -> bool:
        return any(FLOOR in crossing.summary.controls for row in study.rows for crossing in row.crossings)

    def neutral(self, study: NetworkStudy) -> list[str]:
        """The priors under which nothing is made up."""
        crossings = [crossing for row in study.rows for crossing in row.crossings]
        return list(
            dict.fromkeys(crossing.column.label for crossing in crossings if crossing.summary.neutral)
        )

    def layer_facts(self, row: Row) -> list[str]:
        known = row.facts
        if row.posed is not None:
            return posed_facts(row.posed)
        facts = [f"also {', '.join(known.aliases)}"] if known.aliases else []
        facts += [known.type] if known.type else []
        facts += [" × ".join(map(str, known.shape))] if known.shape else []
        if known.share is not None:
            size = f"{percent(known.share)} of" if known.share < 1 else f"{short(known.share)} ×"
            facts.append(f"{size} the input’s numbers")
        return facts

    def target_facts(self, row: Row) -> list[str]:
        run = row.runs[0]
        if row.posed is not None:
            return posed_facts(row.posed)
        index = "" if run.target_index is None else f" {run.target_index}"
        return [f"{run.objective}{index}", *self.real_scores(row)]


def posed_facts(posed: Posed) -> list[str]:
    """An objective that was asked for by name, and its settings."""
    return ["objective", *(f"{name} {value}" for name, value in posed.settings.items() if value is not None)]


def _mean_and_best(scores: ScoredPhotos | ScoredClass) -> str:
    return f"mean {short(scores.mean)}, best {short(scores.max)}"
