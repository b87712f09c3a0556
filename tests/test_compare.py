"""Two networks compared: the verdict, what is noise, what is not alike, and the command itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from compare_helpers import lines, photo, run, side
from safetensors.torch import save_file

from invert.cli import main
from invert.cli.comment import markdown
from invert.errors import RequestError
from invert.report import TopClass, read_report
from invert.subjects import load
from invert.sweeps.codes import code_change, sketch
from invert.sweeps.compare import compare
from invert.sweeps.intervals import noise_of_seeds
from invert.sweeps.sides import Side, paired_photos
from invert.sweeps.verdict import told, verdict


def test_the_change_is_b_minus_a(tmp_path: Path) -> None:
    (row,) = compare(side(tmp_path / "a", gain=0.9), side(tmp_path / "b", gain=0.9, first_seed=9)).rows
    change = row.changes["kept.luminance"]
    assert change.change == pytest.approx(row.b.measures["kept.luminance"] - row.a.measures["kept.luminance"])  # type: ignore[operator]
    low, high = change.interval or (0, 0)
    assert low < change.change < high and (low + high) / 2 == pytest.approx(change.change)


def test_layers_of_two_networks_are_paired(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a"), side(tmp_path / "b", layer="classifier.1")
    (row,) = compare(a, b, {"fc6": "classifier.1"}).rows
    assert (row.a.layer, row.b.layer) == ("fc6", "classifier.1")
    with pytest.raises(RequestError, match="pair with --layer A=B"):
        compare(a, b)


def test_other_seeds_are_noise_and_a_loss_is_not(tmp_path: Path) -> None:
    a = side(tmp_path / "a", gain=0.9)
    again = compare(a, side(tmp_path / "again", gain=0.9, first_seed=9))
    assert not [change.name for _, change in again.looked_at if change.beyond_noise]
    assert "No loss beyond noise" in lines(again)
    lost = compare(a, side(tmp_path / "lost", gain=0.1, first_seed=9))
    assert "Largest losses beyond noise: fc6, tv: kept." in lines(lost)
    assert "Largest gains" not in lines(lost)
    swapped = compare(side(tmp_path / "low", gain=0.1), side(tmp_path / "high", gain=0.9, first_seed=9))
    assert "Largest gains beyond noise: fc6, tv: kept." in lines(swapped)


def test_the_same_runs_have_no_change_and_no_noise(tmp_path: Path) -> None:
    (row,) = compare(side(tmp_path / "a"), side(tmp_path / "b")).rows
    change = row.changes["kept.luminance"]
    assert (change.change, change.interval, change.beyond_noise) == (0, (0, 0), False)


def test_the_same_seeds_are_paired(tmp_path: Path) -> None:
    """B is A with a little less contrast in every inversion: what the seeds share is no noise."""
    a = side(tmp_path / "a", gain=0.9)
    paired = compare(a, side(tmp_path / "b", gain=0.8)).rows[0].changes["recovered.luminance"]
    apart = compare(a, side(tmp_path / "c", gain=0.8, first_seed=9)).rows[0].changes["recovered.luminance"]
    assert paired.noise is not None and apart.noise is not None
    assert paired.noise.variance < 0.1 * apart.noise.variance


def test_the_first_line_is_the_classes(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a"), side(tmp_path / "b")
    assert lines(compare(a, b)).startswith("A and B have the same weights. Classes: top 1 agrees on 2 of 2")
    b.report.subject.sha256 = "1" * 64
    b.report.images[1].top5 = [TopClass(index=1, name="tiger shark", probability=0.42)]
    first, *_ = verdict(compare(a, b)).lines
    assert first == (
        "Classes changed: top 1 agrees on 1 of 2 photos only; "
        "photo-1.jpg from planetarium (0.90) to tiger shark (0.42)."
    )
    b.report.images[0].top5 = b.report.images[1].top5 = None
    assert "Classes cannot be compared" in lines(compare(a, b))


def test_photos_are_told_by_their_digest(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a"), side(tmp_path / "b")
    b.report.images[0].name = "renamed.jpg"
    b.report.images.reverse()
    assert [(x.id, y.id) for x, y in compare(a, b).photos] == [(i, i) for i in ("photo-0", "photo-1")]
    b.report.images[0].sha256 = "f" * 64
    with pytest.raises(RequestError, match=r"photo-1\.jpg is another picture in B"):
        compare(a, b)
    b.report.images.pop(0)
    with pytest.raises(RequestError, match=r"photo-1\.jpg in A alone"):
        compare(a, b)


def test_one_file_that_two_networks_see_differently_is_one_photo(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a"), side(tmp_path / "b")
    b.report.images[0].sha256 = "f" * 64
    for s in (a, b):
        digests = {"a/photo-0.jpg": "0" * 64, "photo-1.jpg": "1" * 64}
        (s.folder / "request.json").write_text(json.dumps({"sha256 of the photos": digests}))
    assert "see photo-0.jpg cut or sized differently" in lines(compare(a, b))


def test_two_networks_of_other_sizes_see_the_same_photos(own_network: str, tmp_path: Path) -> None:
    """As they are told by the folders that are really written."""
    words = ["--layer", "conv", "--prior", "none", "--steps", "1", "--device", "cpu", "--quiet"]
    for size in ("32", "40"):
        assert main([own_network, *words, "--size", size, "--out", str(tmp_path / size)]) == 0
    a, b = (Side(tmp_path / size, read_report(tmp_path / size)) for size in ("32", "40"))
    ((one, other),) = paired_photos(a, b)
    assert one.sha256 != other.sha256


@pytest.mark.parametrize("name", ["a\0b.png", "../" * 3000, "x" * 5000])
def test_a_picture_of_no_path_is_no_picture(name: str, tmp_path: Path) -> None:
    a, b = side(tmp_path / "a"), side(tmp_path / "b", first_seed=9)
    b.report.runs[0].files.image = name
    assert compare(a, b).rows[0].changes["kept.luminance"].noise is None


def test_numbers_beyond_sense_are_not_compared(tmp_path: Path) -> None:
    """Their squares are no numbers any more: nothing can be said of them, and nothing is."""
    a, b = side(tmp_path / "a"), side(tmp_path / "b", first_seed=9)
    for row in b.report.layers:
        row.measures["kept.luminance"] = -1e308
    for n, each in enumerate(b.report.runs):
        each.measures["class_divergence"] = 1e200 * n
    for s, number in ((a, 1.0), (b, 1e200)):
        for row in s.report.layers:
            row.codes = {seen.id: [number] * 32 for seen in s.report.images}
    comparison = compare(a, b)
    (row,) = comparison.rows
    assert row.changes["kept.luminance"].change is None and row.code_change is None
    json.dumps(comparison.as_json() | verdict(comparison).as_json(), allow_nan=False)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda r: r.request.update(steps=50), "steps 20 in A and 50 in B"),
        (
            lambda r: [setattr(run, "until", 0.1) for run in r.runs],
            "until by default in A and 0.1 in B at fc6",
        ),
        (lambda r: setattr(r.runs[0], "until", 0.1), "until by default in A and several errors in B"),
        (lambda r: r.request.update(seeds=[0, 1]), "seeds 4 in A and 2 in B"),
        (lambda r: r.runs[0].settings.update(weight=2.0), "tv.weight 1.0 in A and 2.0 in B"),
        (lambda r: setattr(r.runs[0], "views", {"count": 3}), "the views of a step"),
        (lambda r: setattr(r.subject.input, "mean", [0.0, 0.0, 0.0]), "the input's mean"),
        (lambda r: setattr(r, "status", "interrupted"), "B is not finished (interrupted)"),
    ],
)
def test_what_was_not_run_alike_is_said(tmp_path: Path, change: Callable[[Any], Any], said: str) -> None:
    a, b = side(tmp_path / "a"), side(tmp_path / "b")
    assert not verdict(compare(a, b)).cautions
    change(b.report)
    assert said in lines(compare(a, b))


def test_errors_that_are_not_matched_are_said(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a"), side(tmp_path / "b")
    b.report.layers[0].measures["feature_error"] = 0.04
    b.report.runs[0].feature_error = 0.0512
    said = lines(compare(a, b))
    lost = side(tmp_path / "lost", gain=0.1, first_seed=9)
    lost.report.layers[0].measures["feature_error"] = 0.04
    assert "Largest losses beyond noise: fc6, tv (not matched): kept." in lines(compare(a, lost))
    assert "not matched at fc6 (tv)" in said and "--until LAYER=E, at the larger (fc6 0.0513)" in said


def test_one_seed_tells_no_noise(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a", seeds=1), side(tmp_path / "b", seeds=1, first_seed=5)
    comparison = compare(a, b)
    assert all(change.noise is None for change in comparison.rows[0].changes.values())
    assert "noise is not known: it takes at least three seeds" in lines(comparison)


@pytest.mark.parametrize("damage", ["gone", "empty", "of another size", "outside"])
def test_a_picture_that_cannot_be_read_leaves_its_row_without_noise(tmp_path: Path, damage: str) -> None:
    a, b = side(tmp_path / "a"), side(tmp_path / "b", first_seed=9)
    file = b.folder / (b.report.runs[0].files.image or "")
    if damage == "gone":
        file.unlink()
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "of another size":
        photo(0, 24).save(file)
    else:
        b.report.runs[0].files.image = "../a/images/photo-0.png"
    comparison = compare(a, b)
    change = comparison.rows[0].changes["kept.luminance"]
    assert change.noise is None and change.change is not None
    assert "noise of what is kept is not known at fc6 (tv)" in lines(comparison)


def test_a_row_that_one_side_lacks_is_said(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a"), side(tmp_path / "b")
    b.report.layers.append(side(tmp_path / "c", layer="fc7").report.layers[0])
    assert "A has no fc7 under tv" in lines(compare(a, b))
    assert "fc7" not in lines(compare(a, b, {"fc6": "fc6"}))


def test_intervals_are_as_wide_as_they_say_and_those_of_a_bootstrap_are_not() -> None:
    """Two photos, four seeds, nothing but the seeds differs: how many of the 95 % intervals leave 0 out."""
    generator = torch.Generator().manual_seed(0)
    photos, seeds, trials = 2, 4, 200
    ours = percentiles = 0
    for _ in range(trials):
        a, b = torch.randn(2, photos, seeds, generator=generator, dtype=torch.float64)
        change = float((b - a).mean(1).sum())
        parts = [side - side.mean(1, keepdim=True) for side in (a, b)]
        ours += abs(change) > (noise_of_seeds(parts[0]) + noise_of_seeds(parts[1])).half_width()
        drawn = [
            side[
                torch.arange(photos)[:, None], torch.randint(seeds, (300, photos, seeds), generator=generator)
            ]
            for side in parts
        ]
        again = change + (drawn[1] - drawn[0]).mean(2).sum(1)
        low, high = torch.quantile(again, torch.tensor([0.025, 0.975], dtype=torch.float64))
        percentiles += not low <= 0 <= high
    assert 0.02 < ours / trials < 0.08
    assert percentiles / trials > 0.1


def test_codes_part_where_the_networks_do() -> None:
    generator = torch.Generator().manual_seed(0)
    before = torch.randn(1, 64, 9, 9, generator=generator)
    for share in (0.01, 0.3):
        pairs = []
        for _ in range(20):
            after = before + share**0.5 * torch.randn(before.shape, generator=generator)
            pairs.append((sketch(before), sketch(after)))
        assert code_change(pairs) == pytest.approx(share, rel=0.25)
    rounded = before * (1 + 1e-6 * torch.randn(before.shape, generator=generator))
    assert code_change([(sketch(before), sketch(rounded))]) == 0
    assert code_change([]) is None and code_change([([], sketch(before))]) is None


def test_a_change_is_told_with_its_interval(tmp_path: Path) -> None:
    (row,) = compare(side(tmp_path / "a", gain=0.9), side(tmp_path / "b", gain=0.1, first_seed=9)).rows
    text = told(row.changes["kept.luminance"])
    assert text.startswith("−") and " points (−" in text and " to −" in text


def test_the_comment_shows_names_as_they_are(tmp_path: Path) -> None:
    a, b = side(tmp_path / "a", layer="a|b"), side(tmp_path / "b", layer="a|b", gain=0.1, first_seed=9)
    b.report.images[0].top5 = [TopClass(index=1, name="@everyone <img> [x](http://y)", probability=0.4)]
    comparison = compare(a, b)
    text = markdown(comparison, verdict(comparison), [], "invert compare a b")
    assert text.startswith(r"**A and B have the same weights. Classes changed: top 1 agrees on 1 of 2")
    assert "@everyone" not in text and "<img>" not in text
    assert r"&#64;everyone \<img\> \[x\](http://y)" in text
    assert r"`a\|b`" in text
    assert "invert compare a b" in text and a.report.command in text


def test_the_comment_is_plain_text(tmp_path: Path) -> None:
    """It goes to a terminal first: no escape, and no line of a megabyte."""
    name = f"\x1b[2J\u202e{'x' * 1_000_000}"
    a, b = side(tmp_path / "a", layer=name), side(tmp_path / "b", layer=name, gain=0.1, first_seed=9)
    a.report.command = b.report.command = f"invert '\x1b]0;owned\x07' {'y' * 1_000_000}"
    comparison = compare(a, b)
    lines = markdown(comparison, verdict(comparison), [], "invert compare a b").splitlines()
    assert all(line.isprintable() and len(line) < 20_000 for line in lines)
    assert any(r"\x1b[2J\u202ex" in line for line in lines)


def test_two_checkpoints_from_the_command_line(
    own_network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """B has lost its colour: each filter of its first layer sees grey alone."""
    state = load(own_network, "random").model.state_dict()
    save_file(state, tmp_path / "a.safetensors")
    weight = state["conv.weight"]
    grey = {**state, "conv.weight": weight.mean(1, keepdim=True).expand_as(weight).contiguous()}
    save_file(grey, tmp_path / "b.safetensors")
    sides = [f"{own_network}={tmp_path / f'{side}.safetensors'}" for side in "ab"]
    words = ["compare", *sides, "--layer", "conv", "--prior", "none", "--steps", "150", "--seeds", "3"]
    words += ["--out", str(tmp_path / "out"), "--precision", "fp32"]
    assert main([*words, "--json", "--fail-if", "layer conv kept.colour < -0.3"]) == 1
    shown = capsys.readouterr()
    comparison = json.loads(shown.out)
    assert comparison == json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert "kept.colour changed by -" in shown.err and "noise floor ±" in shown.err
    assert "[1/3]" in shown.err
    (row,) = comparison["rows"]
    assert row["change"]["kept.colour"] < -0.3 and "kept.colour" in row["beyond_noise"]
    assert row["code_change"] > 0.01
    assert main([*words, "--resume", "--quiet", "--markdown", "--fail-if", "kept.colour > 0.3"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("**Classes") and "not so" in shown.out
    assert main([*words, "--resume", "--quiet"]) == 0
    assert "Largest losses beyond noise: conv, none (not matched): kept.colour −" in capsys.readouterr().out
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "Content-Security-Policy" in page
    assert page.count("data:image/png") >= 3
    assert 'class="fell"' in page and "Largest losses beyond noise" in page
    assert "code differs by 0." in page and "numbers over 1 photo, 3 seeds" in page
    unmatched = [not r["match"]["enough"] for s in "ab" for r in _report(tmp_path / "out" / s)["layers"]]
    assert page.count('<td class="unmatched">') == sum(unmatched) * len(FACETS_OF_32)
    assert ("Kept, against depth" in page) is not all(unmatched)
    assert ("are left out" in page) is (any(unmatched) and not all(unmatched))


def test_codes_are_judged_without_seeds(own_network: str, tmp_path: Path, capsys: Any) -> None:
    """Noise of a tenth of their standard deviation on the weights of the second layer of two."""
    state = load(own_network, "random").model.state_dict()
    save_file(state, tmp_path / "a.safetensors")
    noise = torch.randn(state["fc.weight"].shape, generator=torch.Generator().manual_seed(0))
    save_file(
        {**state, "fc.weight": state["fc.weight"] + 0.1 * state["fc.weight"].std() * noise},
        tmp_path / "b.safetensors",
    )
    sides = [f"{own_network}={tmp_path / f'{side}.safetensors'}" for side in "ab"]
    words = ["compare", *sides, "--layer", "conv,fc", "--prior", "none", "--steps", "2", "--quiet"]
    words += ["--out", str(tmp_path / "out"), "--json"]
    assert main([*words, "--fail-if", "layer conv code_change > 0"]) == 0
    assert main([*words, "--resume", "--fail-if", "layer fc code_change > 0"]) == 1
    assert "fc: code_change is 0.0" in capsys.readouterr().err


FACETS_OF_32 = ("luminance", "colour", "1-4", "4-8", "8-16")


def _report(out: Path) -> Any:
    return json.loads((out / "report.json").read_text())


def test_the_same_network_under_other_seeds_passes(own_network: str, tmp_path: Path) -> None:
    for name, seed in (("a", "0"), ("b", "3")):
        run(own_network, tmp_path / name, "--seed", seed)
    words = ["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path)]
    assert main([*words, "--fail-if", "kept.colour < 0", "--fail-if", "kept.luminance < 0"]) == 0
    comparison = json.loads((tmp_path / "comparison.json").read_text())
    assert [row["code_change"] for row in comparison["rows"]] == [0, 0]
    assert comparison["verdict"]["same_weights"] and not any(r["beyond_noise"] for r in comparison["rows"])
    page = (tmp_path / "comparison.html").read_text()
    assert 'class="fell"' not in page.replace('<b class="fell">', "")


@pytest.mark.parametrize(
    "more, says",
    [
        ([], "--out"),
        (["--out", "x", "--json", "--markdown"], "one of them"),
        (["--out", "x", "--fail-if", "kept.colour < 0"], "--seeds 3"),
        (["--out", "x", "--seeds", "3", "--fail-if", "kept.colour < nan"], "finite"),
    ],
)
def test_what_cannot_be_compared_is_one_line(
    own_network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, more: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["compare", own_network, own_network, *more]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_folder_that_holds_no_report_is_one_line(tmp_path: Path, capsys: Any) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text('{"schema": 1}')
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    assert "no report" in capsys.readouterr().err
