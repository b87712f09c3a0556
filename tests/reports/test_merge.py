"""`merge` puts finished reports on one page, and loses and mixes up nothing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import invert_reports
from invert.errors import RequestError
from invert.pictures import BYTE_LIMIT
from invert.report import read_report
from invert.typed_json import to_json
from invert_reports.study import studies


def read(out: Path):
    return json.loads((out / "report.json").read_text(encoding="utf-8"))


def test_priors_of_two_reports_stand_side_by_side(make, tmp_path):
    a = make("a").feature(("conv1", "fc6"), priors=("dip",)).write()
    b = make("b").feature(("conv1", "fc6"), priors=("tv",)).write()
    page = invert_reports.merge([a, b], tmp_path / "merged")
    assert page == tmp_path / "merged" / "report.html"
    (study,) = studies(read_report(tmp_path / "merged"))
    assert [column.label for column in study.columns] == ["dip", "tv"]
    assert [row.name for row in study.rows] == ["conv1", "fc6"]
    assert all(len(crossing.runs) == 2 and crossing.summary for crossing in study.crossings())
    assert len(study.photos) == 1  # the same pixels


def test_the_same_crossing_in_two_reports_becomes_two_columns(make, tmp_path):
    a = make("a").feature(("conv1",), priors=("tv",)).write()
    b = make("b").feature(("conv1",), priors=("tv", "dip")).write()
    invert_reports.merge([a, b], tmp_path / "merged")
    (study,) = studies(read_report(tmp_path / "merged"))
    assert [column.label for column in study.columns] == ["tv · a", "tv · b", "dip"]


@pytest.mark.parametrize("differs", ["seeds", "photos"])
def test_other_seeds_or_photos_are_a_group_of_their_own(make, tmp_path, visit, differs):
    """The numbers beside pictures are those pictures' own: nothing is said of four seeds that is of two."""
    seeds = ((0, 1), (2, 3)) if differs == "seeds" else ((0, 1), (0, 1))
    factories = [make(name) for name in ("a", "b")]
    for turn, (factory, own) in enumerate(zip(factories, seeds, strict=True)):
        factory.photo(turn=turn if differs == "photos" else 0)
        factory.feature(("conv1", "fc6"), priors=("tv",), seeds=own)
    factories[1].layers[0]["measures"]["kept.luminance"] = 0.123
    page = invert_reports.merge([factory.write() for factory in factories], tmp_path / "merged")
    (study,) = studies(read_report(tmp_path / "merged"))
    assert [column.label for column in study.columns] == ["tv · a", "tv · b"]
    for row in study.rows:
        for crossing, own in zip(row.crossings, seeds, strict=True):
            assert sorted(run.seed for run in crossing.runs) == list(own)
            assert {run.id for run in crossing.runs} == set(crossing.summary.runs)
            assert len({run.image for run in crossing.runs}) == 1
    assert study.rows[0].crossings[1].summary.measures["kept.luminance"] == 0.123
    assert (
        visit(page.parent)
        .locator("header")
        .first.inner_text()
        .count("2 layers × 1 prior × 1 photo × 2 seeds in each of 2 reports, whose numbers are not pooled")
    )


def test_other_settings_are_a_group_of_their_own(make, tmp_path):
    a, b = make("a").feature(("conv1",), priors=("tv",)), make("b").feature(("fc6",), priors=("tv",))
    for run in b.runs:
        run["settings"] = {"weight": 7}
    invert_reports.merge([a.write(), b.write()], tmp_path / "merged")
    (study,) = studies(read_report(tmp_path / "merged"))
    assert [column.label for column in study.columns] == ["tv · a", "tv · b"]


def test_two_networks_become_two_studies(make, tmp_path, visit):
    a = make("a").feature(("conv1",)).write()
    b = make("b", model="alexnet", sha256="cd" * 32).feature(("conv1",)).write()
    invert_reports.merge([a, b], tmp_path / "merged")
    page = visit(tmp_path / "merged")
    assert page.locator("h1").inner_text() == "What squeezenet1_1 and alexnet keep"
    assert page.locator("[data-study]").count() == 2


def test_every_file_is_copied(inversions, gallery, tmp_path):
    merged = tmp_path / "merged"
    invert_reports.merge([inversions, gallery], merged)
    report = read(merged)
    assert len(report["runs"]) == len(read(inversions)["runs"]) + len(read(gallery)["runs"])
    assert len({run["id"] for run in report["runs"]}) == len(report["runs"])
    for run in report["runs"]:
        if run["error"] is None:
            named = [run["files"]["image"], run["files"]["trace"], run["files"]["record"]]
            named += [shot["file"] for shot in run["files"]["snapshots"]]
            assert all((merged / name).is_file() for name in named)
            assert all(name.startswith(f"runs/{run['id']}/") for name in named)
            assert json.loads((merged / run["files"]["record"]).read_text(encoding="utf-8")) == run
    known = {run["id"] for run in report["runs"]}
    assert all(set(row["runs"]) <= known for row in report["layers"])


def test_folders_of_one_name_do_not_collide(make, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    a = make("x/out").feature(("conv1",), priors=("dip",)).write()
    b = make("y/out").feature(("conv1",), priors=("dip",)).write()
    invert_reports.merge([a, b], tmp_path / "merged")
    assert [source["name"] for source in read(tmp_path / "merged")["sources"]] == ["out", "out_2"]
    assert len(list((tmp_path / "merged" / "runs").iterdir())) == 4


def test_merging_again_replaces_the_earlier_merge(make, tmp_path):
    a = make("a").feature(("conv1",), priors=("dip",)).write()
    b = make("b").feature(("conv1",), priors=("tv",)).write()
    merged = tmp_path / "merged"
    invert_reports.merge([a, b], merged)
    invert_reports.merge([b], merged)
    assert [run["prior"] for run in read(merged)["runs"]] == ["tv", "tv"]
    assert len(list((merged / "runs").iterdir())) == 2


def test_a_merged_report_merges(make, tmp_path):
    a = make("a").feature(("conv1",), priors=("dip",)).write()
    b = make("b").feature(("conv1",), priors=("tv",)).write()
    c = make("c").feature(("conv1",), priors=("none",)).write()
    invert_reports.merge([a, b], tmp_path / "ab")
    invert_reports.merge([tmp_path / "ab", c], tmp_path / "abc")
    (study,) = studies(read_report(tmp_path / "abc"))
    assert [column.label for column in study.columns] == ["dip", "tv", "none"]


def test_a_merged_report_merges_as_what_it_was_merged_from(make, tmp_path):
    """Every run stays with its network, its row and its photo."""
    a = make("a").feature(("conv1", "fc6"), priors=("dip",))
    a.photo("other.jpg", turn=1)
    b = make("b", model="alexnet", sha256="cd" * 32)
    b.photo("other.jpg", turn=1)
    b.feature(("conv1",), priors=("tv",)).maximise(("zebra",))
    c = make("c").feature(("relu3",), priors=("none",))
    folders = [factory.write() for factory in (a, b, c)]
    invert_reports.merge(folders, tmp_path / "once")
    invert_reports.merge(folders[:2], tmp_path / "ab")
    invert_reports.merge([tmp_path / "ab", folders[2]], tmp_path / "twice")
    once, twice = read_report(tmp_path / "once"), read_report(tmp_path / "twice")
    assert to_json(twice) == to_json(once)
    files = [sorted(p.relative_to(f) for p in f.rglob("*")) for f in (tmp_path / "once", tmp_path / "twice")]
    assert files[0] == files[1]
    found = studies(twice)
    assert [study.subject.model for study in found] == ["squeezenet1_1", "alexnet"]
    assert [sum(len(crossing.runs) for crossing in study.crossings()) for study in found] == [6, 8]
    crossings = [
        crossing for study in found for row in study.rows for crossing in row.crossings if crossing.runs
    ]
    assert len(crossings) == 4 and all({run.id for run in c.runs} == set(c.summary.runs) for c in crossings)


def test_runs_of_one_id_keep_their_own_pictures(make, tmp_path):
    factory = make("a").feature(("conv1",), priors=("dip",), seeds=(0, 1))
    for run in factory.runs:
        (tmp_path / "a" / f"{run['seed']}").mkdir()
        shutil.copy(tmp_path / "a" / run["files"]["image"], tmp_path / "a" / f"{run['seed']}" / "image.png")
        run["id"], run["files"]["image"] = "same", f"{run['seed']}/image.png"
    factory.layers[0]["runs"] = ["same", "same"]
    invert_reports.merge([factory.write()], tmp_path / "merged")
    merged = read_report(tmp_path / "merged")
    pictures = [(tmp_path / "merged" / run.files.image).read_bytes() for run in merged.runs]
    assert len({run.id for run in merged.runs}) == len(set(pictures)) == 2
    assert merged.layers[0].runs == [run.id for run in merged.runs]


def test_photos_of_one_file_name_keep_their_own_pictures(make, tmp_path):
    factory = make("a")
    for turn in (0, 1):
        photo = factory.photo(turn=turn)
        (tmp_path / "a" / str(turn)).mkdir()
        shutil.copy(tmp_path / "a" / "images" / f"{photo}.png", tmp_path / "a" / str(turn) / "x.png")
        factory.images[turn]["file"] = f"{turn}/x.png"
    invert_reports.merge([factory.feature(("conv1",), priors=("dip",)).write()], tmp_path / "merged")
    images = read_report(tmp_path / "merged").images
    assert len({(tmp_path / "merged" / image.file).read_bytes() for image in images}) == 2


def test_runs_of_a_source_that_is_not_there_are_of_no_network(make, tmp_path):
    a = make("a").feature(("conv1",), priors=("dip",)).write()
    invert_reports.merge([a], tmp_path / "once")
    content = read(tmp_path / "once")
    content["runs"][0]["source"] = "elsewhere"
    (tmp_path / "once" / "report.json").write_text(json.dumps(content))
    invert_reports.merge([tmp_path / "once"], tmp_path / "twice")
    assert len(read_report(tmp_path / "twice").runs) == 2
    assert [study.subject.model for study in studies(read_report(tmp_path / "twice"))] == [
        "squeezenet1_1",
        "",
    ]


def test_one_report_into_its_own_folder_is_drawn_again(make):
    out = make().feature(("conv1",)).write()
    before = (out / "report.json").read_bytes()
    assert invert_reports.merge([out], out) == out / "report.html"
    assert (out / "report.json").read_bytes() == before


def test_files_outside_a_report_are_not_taken(make, tmp_path):
    (tmp_path / "secret.png").write_bytes(b"secret")
    factory = make("a").feature(("conv1",), priors=("dip",), seeds=(0,))
    factory.runs[0]["files"]["image"] = "../secret.png"
    factory.runs[0]["files"]["trace"] = str(tmp_path / "secret.png")
    invert_reports.merge([factory.write()], tmp_path / "merged")
    files = read(tmp_path / "merged")["runs"][0]["files"]
    assert files["image"] is None
    assert files["trace"] is None


@pytest.mark.parametrize("ident", ["../../escaped", "..", "a/../../.."])
def test_hostile_ids_stay_inside(make, tmp_path, ident):
    factory = make("a").feature(("conv1",), priors=("dip",), seeds=(0,))
    factory.runs[0]["id"] = ident
    out = factory.write()
    merged = tmp_path / "deep" / "merged"
    invert_reports.merge([out], merged)
    invert_reports.merge([out], merged)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a", "deep"]
    assert [entry.name for entry in (tmp_path / "deep").iterdir()] == ["merged"]


def test_what_cannot_be_merged_is_refused_in_a_line(make, tmp_path):
    out = make("a").feature(("conv1",)).write()
    empty = tmp_path / "empty"
    empty.mkdir()
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work", encoding="utf-8")
    requests = [([empty], "m"), ([tmp_path / "absent"], "m"), ([], "m"), ([out, out], "m")]
    requests += [([out], "other"), ([out, out], "a"), ([out], "other/thesis.txt")]
    for directories, name in requests:
        with pytest.raises(RequestError) as raised:
            invert_reports.merge(directories, tmp_path / name)
        assert "\n" not in str(raised.value)
    assert (other / "thesis.txt").read_text(encoding="utf-8") == "years of work"


@pytest.mark.parametrize("content", ["", "[]", "{", '{"runs": 3}', '{"schema": 2, "runs": []}'])
def test_what_is_no_report_is_refused_in_a_line(tmp_path, content):
    (tmp_path / "report.json").write_text(content, encoding="utf-8")
    with pytest.raises(RequestError) as raised:
        invert_reports.write_page(tmp_path)
    assert "\n" not in str(raised.value)


def test_photos_that_were_skipped_are_named_once(make, tmp_path):
    folders = [make(name).feature(("conv1",)).write() for name in ("a", "b")]
    for folder, own in zip(folders, ("a.txt", "b.txt"), strict=True):
        report = read(folder)
        report["skipped"] = [{"name": name, "reason": "none"} for name in (own, "both.txt")]
        (folder / "report.json").write_text(json.dumps(report))
    invert_reports.merge(folders, tmp_path / "merged")
    assert [one["name"] for one in read(tmp_path / "merged")["skipped"]] == ["a.txt", "both.txt", "b.txt"]


def test_a_file_of_too_many_bytes_is_not_copied(make, tmp_path):
    a, b = (make(name).feature(("conv1",), priors=("tv",)).write() for name in ("a", "b"))
    with (a / read(a)["runs"][0]["files"]["image"]).open("r+b") as file:
        file.truncate(BYTE_LIMIT + 1)
    invert_reports.merge([a, b], tmp_path / "merged")
    assert [bool(run["files"]["image"]) for run in read(tmp_path / "merged")["runs"]][:2] == [False, True]


def test_an_earlier_merge_whose_runs_lie_elsewhere_is_left_alone(make, tmp_path):
    """A link in a folder of unknown origin leads nowhere, also not to what would be removed."""
    a, b = (make(name).feature(("conv1",)).write() for name in ("a", "b"))
    invert_reports.merge([a, b], tmp_path / "merged")
    (tmp_path / "merged" / "runs").rename(tmp_path / "elsewhere")
    (tmp_path / "merged" / "runs").symlink_to(tmp_path / "elsewhere")
    before = set((tmp_path / "elsewhere").rglob("*"))
    with pytest.raises(RequestError, match="runs in it leads out of it"):
        invert_reports.merge([a, b], tmp_path / "merged")
    assert set((tmp_path / "elsewhere").rglob("*")) == before


def test_the_codes_of_photos_go_by_their_new_names(make, tmp_path):
    factories = [make(name).feature(("conv1",), priors=("tv",)) for name in ("a", "b")]
    for n, factory in enumerate(factories):
        factory.layers[0]["codes"] = {photo["id"]: [n] * 32 for photo in factory.images}
    invert_reports.merge([factory.write() for factory in factories], tmp_path / "merged")
    merged = read(tmp_path / "merged")
    assert [row["codes"] for row in merged["layers"]] == [
        {photo["id"]: [n] * 32 for photo in merged["images"]} for n in range(2)
    ]
