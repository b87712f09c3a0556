"""What the shells are told: every option that there is, in a script that they take."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

from invert import registry
from invert.cli import main
from invert.cli.completion import SHELLS, of_commands
from invert.sweeps.request import SUBCOMMANDS


@pytest.fixture
def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("shell", SHELLS)
def test_every_option_of_every_command_is_there(script: str, shell: str) -> None:
    form = r"-l ([a-z-]+)" if shell == "fish" else r"--([a-z-]+)"
    told = set(re.findall(form, script))
    for command in ("", *SUBCOMMANDS):
        assert command in script
        assert {name[2:] for name in of_commands()[command]} <= told, command
    assert {"layer", "fail-if", "json", "seeds", "resume"} <= told
    assert all(name in script for name in registry.names("invert.priors"))


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_takes_the_script(script: str, shell: str) -> None:
    if shell != "bash" and shutil.which(shell) is None:
        return  # bash is everywhere that the tests run
    done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("invert do", "doctor"),
        ("invert alexnet --pri", "--prior"),
        ("invert alexnet --device c", "cpu cuda"),
        ("invert layers alexnet --j", "--json"),
        ("invert compare a b --fa", "--fail-if"),
        ("invert compare a b --view", ""),
        ("invert completion f", "fish"),
        ("invert alexnet --out some", ""),  # names of files are bash's own
    ],
)
@pytest.mark.parametrize("shell", ["bash"])
def test_bash_offers(script: str, shell: str, typed: str, offered: str) -> None:
    ask = f"COMP_WORDS=({typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _invert; echo ${{COMPREPLY[@]}}"
    done = subprocess.run([shell, "-c", f"{script}\n{ask}"], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == (offered, "")


def test_a_prior_with_a_name_that_does_something_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(registry, "names", lambda group: ["dip", "$(touch owned)"])
    assert main(["completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert "dip" in script and "owned" not in script


def test_it_is_quick_and_knows_no_other_shell(capsys: pytest.CaptureFixture[str]) -> None:
    look = (
        "import sys; from invert.cli import main; main(['completion', 'zsh']); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False", done.stderr
    assert main(["completion", "tcsh"]) == 2
    assert "unknown shell 'tcsh'" in capsys.readouterr().err
