"""The command line: what it writes, and the one line that bad input gets."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from invert.cli import main


def invert(*words: object) -> int:
    return main([str(word) for word in words])


def report(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "report.json").read_text())
    return content


@pytest.fixture(scope="module")
def finished(own_network: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers × three priors × two photos × two seeds."""
    folder = tmp_path_factory.mktemp("run")
    for name, colour in (("red", "red"), ("sky & <b>sea</b>", "navy")):
        picture = Image.new("RGB", (50, 40), colour)
        picture.paste("white", (10, 10, 30, 30))
        picture.save(folder / f"{name.replace('/', '')}.png")
    out = folder / "out"
    words = ["--layer", "conv,fc", "--prior", "dip,tv,none", "--image", folder, "--steps", 3, "--seeds", 2]
    assert invert(own_network, *words, "--out", out, "--quiet", "--controls") == 0
    return out


def test_it_runs_layers_by_priors_by_photos_by_seeds(finished: Path) -> None:
    content = report(finished)
    assert content["status"] == "done"
    assert len(content["runs"]) == 2 * 3 * 2 * 2
    assert len({run["id"] for run in content["runs"]}) == len(content["runs"])
    assert [(row["layer"], row["prior"]) for row in content["layers"]] == [
        (layer, prior) for layer in ("conv", "fc") for prior in ("dip", "tv", "none")
    ]


def test_python_dash_m_is_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["python -m invert", "priors"])
    with pytest.raises(SystemExit, match="0"):
        runpy.run_module("invert", run_name="__main__")
    assert "dip" in capsys.readouterr().out


def test_report_json_keeps_its_contract(finished: Path) -> None:
    content = report(finished)
    assert content["schema"] == 1
    assert {"schema", "tool", "subject", "runs", "layers"} <= set(content)
    assert {"model", "weights", "sha256", "input"} <= set(content["subject"])
    run = content["runs"][0]
    wanted = {
        "id", "objective", "layer", "target", "prior", "settings", "image", "seed", "steps", "seconds",
        "stopped", "device", "precision", "parameters", "feature_error", "measures", "files",
    }  # fmt: skip
    assert wanted <= set(run)
    assert {"feature_error", "psnr", "ssim", "same_top1"} <= set(run["measures"])
    for record in [*content["runs"], *content["controls"]]:
        for path in (record["files"]["image"], record["files"]["trace"], record["files"]["record"]):
            assert (finished / path).is_file()


def test_rows_hold_the_decomposition_and_the_controls(finished: Path) -> None:
    for row in report(finished)["layers"]:
        shares = [row["measures"][f"{name}.luminance"] for name in ("kept", "free", "invented")]
        assert sum(shares) == pytest.approx(1, abs=1e-9)
        assert set(row["controls"]) == {"another photo", "random weights"}
        assert "kept.luminance" in row["controls"]["another photo"]
        assert len(row["tiles"]) == 8


def test_each_photos_own_shares_stand_beside_the_pooled_ones(finished: Path) -> None:
    content = report(finished)
    for row in content["layers"]:
        assert list(row["by_photo"]) == [photo["id"] for photo in content["images"]]
        kept = [part["measures"]["kept.luminance"] for part in row["by_photo"].values()]
        assert min(kept) <= row["measures"]["kept.luminance"] <= max(kept)
        assert len(set(kept)) == row["photos"] == 2
        for photo, part in row["by_photo"].items():
            of_photo = [run for run in content["runs"] if run["id"] in row["runs"] and run["image"] == photo]
            errors = [run["feature_error"] for run in of_photo]
            assert part["measures"]["feature_error"] == pytest.approx(sum(errors) / len(errors))
            assert "not matched" in part["reading"] and len(part["tiles"]) == 8  # after so few steps
        assert "not matched" in row["reading"]
        assert row["neutral"] is (row["prior"] == "none")


def test_the_page_is_there_and_asks_the_network_for_nothing(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    assert "Content-Security-Policy" in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "<b>sea</b>" not in page


def test_tables_and_a_figure_can_be_had(finished: Path, tmp_path: Path) -> None:
    assert len((finished / "runs.csv").read_text().splitlines()) == 1 + 2 * 3 * 2 * 2
    assert len((finished / "layers.csv").read_text().splitlines()) == 1 + 2 * 3
    assert invert("report", finished, "--figure", tmp_path / "grid.pdf") == 0
    assert (tmp_path / "grid.pdf").read_bytes().startswith(b"%PDF")
    assert invert("report", finished, "--figure", tmp_path / "grid.doc") == 2


def test_a_run_s_own_command_makes_it_again(finished: Path, tmp_path: Path) -> None:
    import shlex

    run = report(finished)["runs"][-1]
    words = shlex.split(run["command"])[1:]
    assert invert(*words, "--out", tmp_path / "again", "--quiet") == 0
    (again,) = report(tmp_path / "again")["runs"]
    assert again["feature_error"] == run["feature_error"]
    assert (tmp_path / "again" / again["files"]["image"]).read_bytes() == (
        finished / run["files"]["image"]
    ).read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        *(("MODEL", f"--{name}", "") for name in ("out", "resume", "image", "weights", "labels", "photos")),
        *(("MODEL", f"--{name}=") for name in ("judge", "judge-weights", "layer", "figure")),
        *(("MODEL", "--out", " "), ("",), ("report", ""), ("report", "a", "--out", "")),
        *(("compare", "a", ""), ("compare", "a", "b", "--out", "")),
    ],
)
def test_an_empty_name_is_not_the_current_folder(
    words: tuple[str, ...],
    own_network: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invert(*(own_network if word == "MODEL" else word for word in words)) == 2
    error = capsys.readouterr().err
    assert "it is empty" in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_resume_runs_nothing_that_is_finished(
    own_network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [own_network, "--layer", "conv", "--prior", "none", "--steps", 2, "--out", tmp_path / "o"]
    assert invert(*words) == 0
    record = tmp_path / "o" / "runs" / "conv-none-grace_hopper-s0" / "record.json"
    before = record.stat().st_mtime_ns
    assert invert(*words, "--resume") == 0
    assert record.stat().st_mtime_ns == before
    assert invert(*words) == 2
    assert "add --resume" in capsys.readouterr().err
    assert invert(*words, "--precision", "fp32", "--resume") == 2
    assert "precision was 'auto', now 'fp32'" in capsys.readouterr().err


def test_json_is_the_summary_alone(
    own_network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--layer", "conv", "--prior", "none", "--steps", 1, "--out", tmp_path / "o", "--json"]
    assert invert(own_network, *words) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["layer"] == "conv"


def test_the_last_line_says_where_the_report_is(
    own_network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    invert(own_network, "--layer", "conv", "--prior", "none", "--steps", 1, "--out", tmp_path / "o")
    output = capsys.readouterr()
    assert output.out.splitlines()[-1] == f"report: {tmp_path / 'o' / 'report.html'}"
    assert "[1/1] conv none grace_hopper seed 0: feature error" in output.err


def corrupt(folder: Path) -> str:
    (folder / "corrupt.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    return str(folder / "corrupt.jpg")


def pickle(folder: Path) -> str:
    (folder / "weights.pth").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    return str(folder / "weights.pth")


BAD = {
    "model": (["alexnt", "--layer", "fc6"], "alexnet"),
    "layer": (["OWN", "--layer", "con"], "conv"),
    "prior": (["OWN", "--layer", "conv", "--prior", "dop"], "dip"),
    "setting": (["OWN", "--layer", "conv", "--set", "dip.learning_rat=1"], "learning_rate"),
    "value": (["OWN", "--layer", "conv", "--set", "dip.steps=many"], "a whole number"),
    "range": (["OWN", "--layer", "conv", "--prior", "tv", "--set", "tv.weight=-1"], "0 or more"),
    "form": (["OWN", "--layer", "conv", "--set", "weight"], "NAME.SETTING=VALUE"),
    "unused": (["OWN", "--layer", "conv", "--set", "tv.weight=1"], "--prior, --stop and --objective do not"),
    "image": (["OWN", "--layer", "conv", "--image", "nowhere.jpg"], "nowhere.jpg"),
    "corrupt": (["OWN", "--layer", "conv", "--image", corrupt], "corrupt.jpg"),
    "pickle": (["OWN", "--layer", "conv", "--weights", pickle], "weights.pth"),
    "steps": (["OWN", "--layer", "conv", "--steps", "0"], "1 or more"),
    "class": (["OWN", "--class", "gold ball"], "golf ball"),
    "unit": (["OWN", "--unit", "conv:8"], "0 to 7"),
    "position": (["OWN", "--unit", "conv:1@99,0"], "16 × 16"),
    "device": (["OWN", "--layer", "conv", "--device", "tpu"], "auto, cpu"),
    "precision": (["OWN", "--layer", "conv", "--precision", "fp8"], "fp32"),
    "option": (["OWN", "--layers", "conv"], "--help"),
    "nothing": ([], "MODEL"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_gets_one_line_that_helps(
    what: str, own_network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words, hint = BAD[what]
    made = [word(tmp_path) if callable(word) else own_network if word == "OWN" else word for word in words]
    out = tmp_path / "out"
    assert invert(*made, *(["--out", out] if made else [])) == 2
    error = capsys.readouterr().err
    assert error.startswith("invert: error: ")
    assert error.count("\n") == 1, error
    assert hint in error
    assert not out.exists()


def test_an_out_that_cannot_be_written_is_found_before_any_work(
    own_network: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert invert(own_network, "--layer", "conv", "--out", tmp_path / "file" / "out") == 2
    assert "cannot write to --out" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["alexnet", "timm:resnet18"])
def test_no_download_names_the_three_ways_out(
    model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    assert invert(model, "--layer", "fc6", "--out", tmp_path / "out") in (1, 2)
    error = capsys.readouterr().err
    assert all(way in error for way in ("--weights FILE", "alexnet-mini", "online"))
    assert error.count("invert: error:") == 1


def test_layers_lists_names_aliases_and_shapes(capsys: pytest.CaptureFixture[str]) -> None:
    assert invert("layers", "alexnet", "--json") == 0
    layers = {layer["name"]: layer for layer in json.loads(capsys.readouterr().out)}
    by_alias = {alias: layer for layer in layers.values() for alias in layer["aliases"]}
    assert by_alias["conv1"]["shape"] == [64, 55, 55]
    assert by_alias["fc6"]["share"] == pytest.approx(4096 / (3 * 224 * 224))


def test_lists(own_network: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert invert("layers", own_network) == 0
    assert invert("priors") == 0
    assert "dip.learning_rate" in capsys.readouterr().out
    assert invert("models", "alexnet") == 0
    assert {"alexnet", "alexnet-mini"} <= set(capsys.readouterr().out.split())
    assert invert("doctor") == 0


@pytest.mark.parametrize("name", ["x" * 100_000, "x" * 300, "a\0b", "a/" * 3000])
@pytest.mark.parametrize(
    "words",
    [
        *[("report",), ("compare", "B"), ("--resume",)],
        *[("alexnet-mini", option) for option in ("--resume", "--image", "--weights", "--labels")],
        *[("alexnet-mini", "--layer", "fc6", "--out"), ("alexnet-mini", "--class", "1", "--photos")],
    ],
)
def test_a_name_that_no_file_can_have_is_one_line(
    name: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, name]) == 2
    told = capsys.readouterr().err
    assert told.startswith("invert: error: ") and told.count("\n") == 1 and "--debug" not in told
