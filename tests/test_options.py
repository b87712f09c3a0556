"""Options are declared once, so that a request, its command line and its JSON are one."""

from __future__ import annotations

import dataclasses
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from invert.cli import _command, main
from invert.cli.study import Output, parsed, study, study_parser
from invert.errors import RequestError
from invert.sweeps.options import asked, said_of_layers
from invert.sweeps.placement import Placement
from invert.sweeps.request import SUBCOMMANDS, Request

ROOT = Path(__file__).resolve().parents[1]
drawn = settings(deadline=None, derandomize=True, max_examples=400)

spoken = st.one_of(
    st.sampled_from(["-x.png", "--debug", "-1", "a,b", "\\", "a\\,b\\", "=", "é ü"]), st.text()
)
text = spoken.filter(lambda t: t.strip() and t != "--")
names = st.lists(text.filter(lambda t: t == t.strip()), unique=True, min_size=1, max_size=4).map(tuple)
texts = st.none() | text
whole = st.integers(1, 4_096)
prices = st.lists(st.floats(-9, 9), min_size=1, max_size=3).map(tuple)
units = st.lists(
    st.one_of(st.from_regex(r"[a-z,\\:]{1,5}:[0-9]{1,3}(@[0-9],[0-9]{1,2}|@)?", fullmatch=True)),
    unique=True, min_size=1, max_size=3,
).map(tuple)  # fmt: skip
ranges = st.builds(lambda a, n: tuple(range(a, a + n)), st.integers(0, 2**63 - 2), st.integers(1, 9))
seeds = ranges | st.lists(st.integers(0, 2**63 - 1), unique=True, min_size=1, max_size=5).map(tuple)
word = st.text(min_size=1).filter(lambda t: t == t.strip() and not set(t) & set(".="))
value = st.text().filter(lambda t: t == t.strip())
ends = st.dictionaries(
    text.filter(lambda t: t == t.strip()), st.floats(1e-300, 1e300), min_size=1, max_size=3
).map(said_of_layers)
VALUES: dict[str, Any] = {
    "model": st.sampled_from([*SUBCOMMANDS, "layer", "--", "--help", "-m", "alexnet"]) | text,
    "layer": st.just(()) | names, "classes": st.just(()) | names, "unit": st.just(()) | units,
    "objective": st.just(()) | names,
    "image": st.lists(text, max_size=3).map(tuple), "prior": names, "stop": st.just(()) | names,
    "weights": texts, "labels": texts,
    "size": st.none() | whole, "steps": st.none() | whole, "mean": st.none() | prices,
    "std": st.none() | prices,
    "seeds": seeds, "until": st.none() | st.just("auto") | st.floats(1e-300, 1e300) | ends,
    "patience": st.none() | whole,
    "device": text, "precision": text, "controls": st.booleans(),
    "settings": st.dictionaries(word, st.dictionaries(word, value, min_size=1, max_size=2), max_size=2),
    "judge": texts, "judge_weights": texts, "photos": texts, "views": st.none() | st.integers(0, 1_000),
}  # fmt: skip
requests = st.builds(Request, **VALUES)


@drawn
@given(requests)
def test_a_request_is_its_command_line(request: Request) -> None:
    words = shlex.split(request.command())[1:]
    assert _command(words) is study
    assert parsed(words) == (request, Output(), Placement())


@drawn
@given(requests)
def test_a_request_is_its_json(request: Request) -> None:
    assert Request.from_json(json.loads(json.dumps(request.as_json()))) == request


def test_every_field_of_a_request_has_an_option_that_is_tried() -> None:
    names = [one.name for one in dataclasses.fields(Request)]
    assert [one.name for one, _ in asked(Request)] == names
    assert sorted(VALUES) == sorted(names), "tests/test_options.py draws no values for a new one"


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
)


@drawn
@given(st.sampled_from([one.name for one in dataclasses.fields(Request)] + ["colour"]), anything)
def test_json_of_another_form_is_refused(name: str, value: Any) -> None:
    """What is taken comes back as it was: nothing else can be in a request."""
    given = Request(model="alexnet", layer=("fc6",), classes=("1",)).as_json() | {name: value}
    try:
        request = Request.from_json(given)
    except RequestError as error:
        assert "\n" not in str(error)
    else:
        assert request.as_json() == given and type(request.as_json()[name]) is type(value)
        assert parsed(shlex.split(request.command())[1:])[0] == request


@pytest.mark.parametrize(
    ("words", "seeds"),
    [
        ("", (0,)),
        ("--seed 3", (3,)),
        ("--seeds 3", (0, 1, 2)),
        ("--seed 2 --seeds 2", (2, 3)),
        ("--seeds 5,0", (5, 0)),
    ],
)
def test_seeds_are_a_count_or_a_list(words: str, seeds: tuple[int, ...]) -> None:
    assert parsed(["m", *words.split()])[0].seeds == seeds
    with pytest.raises(RequestError, match="leave --seed out"):
        parsed(["m", "--seed", "1", "--seeds", "5,0"])


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["alexnet-mini", "--layers", "fc6"], "'--layers': did you mean --layer?"),
        (["--hlp"], "did you mean --help?"),
        (["compare", "a", "b", "--failif", "x"], "did you mean --fail-if?"),
        (["layers", "alexnet-mini", "--jsn"], "did you mean --json?"),
        (["layer", "alexnet-mini"], "unknown command 'layer': did you mean layers?"),
        (["docter"], "did you mean doctor?"),
        (["alexnet-mini", "--prior", "dip", "--set", "dip.lr=1"], "'lr': did you mean learning_rate?"),
        (["alexnet-mini", "--prior", "dip", "--set", "dip.learning_rte=1"], "did you mean learning_rate?"),
        (["alexnet-mini", "--image=--"], "--image: it cannot be '--'"),
        (["alexnet-mini", "--image", ""], "--image: it is empty"),
        (["alexnet-mini", "--out", ""], "--out: it is empty"),
    ],
)
def test_near_names_are_offered(words: list[str], meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    told = capsys.readouterr().err
    assert told.startswith("invert: error: ") and told.count("\n") == 1 and meant in told


def test_no_network_has_a_name_that_is_nearly_a_subcommand() -> None:
    from invert.subjects.sources.table import names
    from invert.sweeps.request import meant

    assert [name for name in names() if meant(name.removeprefix("timm:"))] == []


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.split() == ["invert", "0.1.0"]


WITHOUT_TORCH = [
    "--help",
    "--version",
    "alexnet --layers fc6",
    "layer x",
    "compare --help",
    "report --hlp",
    "priors -h",
]


@pytest.mark.parametrize("words", WITHOUT_TORCH)
def test_what_needs_no_network_does_not_import_torch(words: str) -> None:
    look = f"import sys; from invert.cli import main; main({words.split()}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False", done.stdout + done.stderr


def test_the_page_of_options_is_that_of_the_table() -> None:
    page = (ROOT / "docs" / "options.md").read_text()
    made = subprocess.run([sys.executable, ROOT / "docs" / "make_options.py"], capture_output=True, text=True)
    assert page == made.stdout, "make it again: python docs/make_options.py > docs/options.md"
    names = {name for action in study_parser()._actions for name in action.option_strings}
    assert {name for name in names if f"`{name}" not in page} == {"-h", "--version"}
