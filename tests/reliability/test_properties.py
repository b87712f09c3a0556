"""Properties over photos, settings, names and command lines, drawn by hypothesis."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from reliability_helpers import report

from invert import images, pictures, registry
from invert.cli import carry_out, main
from invert.errors import RequestError
from invert.files import json_bytes, slug, unique
from invert.protocols import Prior
from invert.settings import as_json, make_prior
from invert.sweeps.request import Request
from invert.sweeps.sweep import Sweep

drawn = settings(
    deadline=None,
    derandomize=True,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
sides = st.integers(1, 60)
modes = st.sampled_from(
    ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "LAB", "I;16", "I", "F"]
)


def photo(mode: str, width: int, height: int, seed: int) -> Image.Image:
    """Noise in any of Pillow's modes."""
    rng = np.random.default_rng(seed)
    if mode in ("I", "F", "I;16"):
        kind = {"I": np.int32, "F": np.float32, "I;16": np.uint16}[mode]
        values = rng.random((height, width)) * (1 if mode == "F" else 65535)
        return Image.fromarray(values.astype(kind))
    picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
    if mode in ("LAB", "PA"):
        return Image.new(mode, (width, height))
    return picture.convert(mode)


@drawn
@given(modes, sides, sides, st.sampled_from([1, 3]), sides, sides, st.floats(0.5, 1), st.integers(0, 9))
def test_any_photo_covers_any_input(
    mode: str, width: int, height: int, channels: int, h: int, w: int, crop: float, seed: int
) -> None:
    image = images.to_tensor(photo(mode, width, height, seed), (channels, h, w), crop=crop)
    assert image.shape == (1, channels, h, w) and image.dtype == torch.float32
    assert 0 <= float(image.min()) <= float(image.max()) <= 1
    with Image.open(io.BytesIO(images.to_png(image))) as again:
        assert again.size == (w, h)


@drawn
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"RIFF", b"II*\0"]),
)
def test_any_bytes_are_a_photo_or_one_line(tmp_path: Path, content: bytes, magic: bytes) -> None:
    path = tmp_path / "photo"
    path.write_bytes(magic + content)
    try:
        assert pictures.read(path).mode == "RGB"
    except RequestError as error:
        assert "\n" not in str(error)


values = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats().map(str),
    st.sampled_from(["", "none", "true", "a,b", "1,2,3"]),
)


@drawn
@given(st.data())
def test_any_setting_is_a_prior_or_one_line(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(registry.names("invert.priors")))
    known = [field.name for field in dataclasses.fields(registry.get("invert.priors", name))]
    chosen = data.draw(st.dictionaries(st.sampled_from([*known, "nothing"]), values, max_size=3))
    try:
        prior = make_prior(name, **chosen)
    except RequestError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(prior, Prior)
        assert make_prior(name, **json.loads(json.dumps(as_json(prior), allow_nan=False))) == prior


anything = st.text(
    st.characters(), max_size=80
)  # lone surrogates as well: bytes of a name that are no Unicode


@drawn
@given(st.lists(anything, max_size=6))
def test_any_names_are_files_of_their_own(names: list[str]) -> None:
    found = unique(slug(name) for name in names)
    assert len({name.casefold() for name in found}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name) and len(name) < 80 for name in found)


@drawn
@given(st.dictionaries(anything, anything, max_size=3))
def test_any_text_is_a_file_of_json(content: dict[str, str]) -> None:
    once = json.loads(json_bytes(content).decode("utf-8"))
    assert json.loads(json_bytes(once)) == once


@settings(drawn, max_examples=10)
@given(
    modes,
    sides,
    sides,
    st.sampled_from(["none", "tv"]),
    st.integers(1, 3),
    st.sampled_from(["0.001", "0.5", "1e30"]),
)
def test_any_photo_and_rate_end_in_a_report(
    own_network: str,
    tmp_path_factory: pytest.TempPathFactory,
    mode: str,
    width: int,
    height: int,
    prior: str,
    steps: int,
    rate: str,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    Image.fromarray(np.asarray(pictures.to_rgb(photo(mode, width, height, 0)))).save(folder / "photo.png")
    request = Request(
        model=own_network, layer=("conv",), prior=(prior,), image=(str(folder / "photo.png"),), steps=steps,
        settings={prior: {"learning_rate": rate}}, device="cpu",
    )  # fmt: skip
    for _ in Sweep(request).run(folder / "out"):
        pass
    (run,) = report(folder / "out")["runs"]
    assert run["error"] is not None or (folder / "out" / run["files"]["image"]).is_file()


words = st.sampled_from(
    [
        *("MODEL", "nonsense", "", "--", "-", "-1", "no/such.py:net", "torchvision:nope"),
        *(
            "--layer",
            "conv",
            "conv,fc",
            "all",
            "--class",
            "dog",
            "99",
            "--unit",
            "conv:1",
            "conv:1@2,2",
            "conv:x",
        ),
        *(
            "--prior",
            "none",
            "tv",
            "dip,",
            "--set",
            "tv.weight=1",
            "tv.weight",
            "none.preset=a",
            "--image",
            ".",
        ),
        *("--weights", "random", "--labels", "--size", "8", "0", "--mean", "0.5", "nan", "--std", "1,1"),
        *(
            "--steps",
            "1",
            "--seed",
            "--seeds",
            "2",
            "--until",
            "--patience",
            "--views",
            "--device",
            "cpu",
            "gpu",
        ),
        *(
            "--precision",
            "fp32",
            "--controls",
            "--judge",
            "--judge-weights",
            "--photos",
            "--out",
            "out",
            "a\0b",
        ),
        *("--resume", "--quiet", "--json", "--help", "--debg", "--layer=conv", "--seeds=²", "🐱", "a\nb"),
        *("layers", "priors", "report", "compare", "--fail-if", "--figure", "x.exe"),
    ]
)


@settings(drawn, max_examples=150)
@given(st.lists(st.one_of(words, st.text(max_size=8)), max_size=7))
def test_any_command_line_is_done_or_one_line(
    own_network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: list[str]
) -> None:
    """Everything up to the first step; the steps are those of the other tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(carry_out, "carry_out", lambda request, *_, **__: (Sweep(request), 0)[1])
    line = [own_network if word == "MODEL" else word for word in line]
    if not line or line[0] not in ("priors", "report", "layers"):
        line = [own_network, *line]
    output, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(error):
        status = main(line)
    told = error.getvalue()
    assert status in (0, 1, 2, 130)
    if status:
        assert told.startswith("invert: error: ") and told.count("\n") == 1, told
        assert "--debug shows where" not in told, told
    assert not list(tmp_path.iterdir())
