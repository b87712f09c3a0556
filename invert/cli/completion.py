"""`invert completion SHELL`: what a shell needs to complete words, made from the parsers' own options."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from typing import Any

from invert import registry
from invert.cli.arguments import parser
from invert.cli.compare import Comparing
from invert.cli.study import Output
from invert.errors import unknown
from invert.sweeps.options import asked
from invert.sweeps.placement import Placement
from invert.sweeps.request import SUBCOMMANDS, Request
from invert.sweeps.restoration import Restoration

STUDY = ""
"""The name of the main job, which no first word names."""
MODELS = ("alexnet-mini",)
ALL = (Comparing, Restoration, Request, Placement, Output)
NAMED: dict[str, registry.Group] = {
    "--prior": "invert.priors",
    "--stop": "invert.stops",
    "--objective": "invert.objectives",
}


@dataclass(frozen=True)
class Completed:
    """An option and what may follow it: some words, a file (`None`: anything else)."""

    help: str = ""
    takes: bool = False
    files: bool = False
    words: tuple[str, ...] = ()


def completion(words: list[str]) -> int:
    """Print the script; it knows the options and priors that are there now."""
    p = parser(
        "completion",
        "Makes a shell complete the words of this command:\n\n"
        '  bash   eval "$(invert completion bash)"        in ~/.bashrc\n'
        '  zsh    eval "$(invert completion zsh)"         in ~/.zshrc, after compinit\n'
        "  fish   invert completion fish | source         in ~/.config/fish/config.fish",
    )
    p.add_argument("shell", metavar="bash|zsh|fish", help="which shell")
    shell = p.parse_args(words).shell
    if shell not in SHELLS:
        raise unknown("shell", shell, SHELLS)
    print("\n".join(SHELLS[shell]()))
    return 0


def options(classes: Iterable[type[Any]] = (Request, Placement, Output)) -> dict[str, Completed]:
    """What completes the options of the main job, or of these classes."""
    found = {"--help": Completed("what can be asked for"), "--version": Completed("the version")}
    for cls in classes:
        for _, how in asked(cls):
            for one in how.options:
                if one.name.startswith("--"):
                    files = re.search("FILE|DIR", one.metavar) is not None
                    choices = re.sub(r"\[.*?\]", "", one.metavar).split("|")
                    known = tuple(word for word in choices if word.islower() or word.isdecimal())
                    words = plugins(NAMED[one.name]) if one.name in NAMED else known
                    found[one.name] = Completed(one.help, bool(one.metavar), files, words)
    return found


def plugins(group: registry.Group) -> tuple[str, ...]:
    """Those that are installed, but none whose name means something to a shell."""
    return tuple(name for name in registry.names(group) if re.fullmatch(r"[\w.:-]+", name))


def of_commands() -> dict[str, list[str]]:
    """The options of each command, as its `--help` has them."""
    from invert.cli import main

    found = {STUDY: list(options())}
    for command in SUBCOMMANDS:
        with redirect_stdout(io.StringIO()) as told:
            main([command, "--help"])
        found[command] = sorted(set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", told.getvalue())))
    return found


def _bash() -> Iterator[str]:
    yield "_invert() {"
    yield '    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} known=""'
    yield "    COMPREPLY=()"
    yield "    case $previous in"
    yield from _followed('        {names}) COMPREPLY=($(compgen -W "{words}" -- "$current")); return;;')
    yield "    esac"
    yield "    case ${COMP_WORDS[1]} in"
    yield from _known('        {command}) known="{names}";;')
    yield "    esac"
    yield "    if [[ $current == -* ]]; then"
    yield '        COMPREPLY=($(compgen -W "$known" -- "$current"))'
    yield "    elif ((COMP_CWORD == 1)); then"
    yield f'        COMPREPLY=($(compgen -W "{" ".join((*SUBCOMMANDS, *MODELS))}" -- "$current"))'
    yield "    fi"
    yield "}"
    yield "complete -o default -F _invert invert"  # without an answer of ours, names of files


def _zsh() -> Iterator[str]:
    yield "#compdef invert"
    yield "_invert() {"
    yield "    local -a known"
    yield "    case ${words[CURRENT-1]} in"
    yield from _followed("        {names}) compadd -- {words}; return;;")
    yield "    esac"
    yield "    case ${words[2]} in"
    yield from _known("        {command}) known=({names});;")
    yield "    esac"
    yield "    if [[ $PREFIX == -* ]]; then"
    yield "        compadd -a known"
    yield "    else"
    yield f"        ((CURRENT == 2)) && compadd -- {' '.join((*SUBCOMMANDS, *MODELS))}"
    yield "        _files"
    yield "    fi"
    yield "}"
    yield "compdef _invert invert"


def _fish() -> Iterator[str]:
    yield f"complete -c invert -n __fish_use_subcommand -a '{' '.join((*SUBCOMMANDS, *MODELS))}'"
    yield f"complete -c invert -n '__fish_seen_subcommand_from completion' -f -a '{' '.join(SHELLS)}'"
    known = options(ALL)
    for command, names in of_commands().items():
        seen = f"__fish_seen_subcommand_from {command or ' '.join(SUBCOMMANDS)}"
        for name in names:
            one = known.get(name, Completed())
            line = f"complete -c invert -n '{seen if command else f'not {seen}'}' -l {name[2:]}"
            line += " -r" if one.takes else ""
            line += f" -f -a '{' '.join(one.words)}'" if one.words and not one.files else ""
            help = one.help.replace("\\", "").replace("'", "")
            yield line + (f" -d '{help}'" if help else "")


def _followed(form: str) -> Iterator[str]:
    """A line for each word behind which one of some others comes."""
    yield form.format(names="completion", words=" ".join(SHELLS))
    for name, one in options(ALL).items():
        if one.words and not one.files:
            yield form.format(names=name, words=" ".join(one.words))


def _known(form: str) -> Iterator[str]:
    commands: Mapping[str, list[str]] = of_commands()
    for command in (*SUBCOMMANDS, STUDY):
        yield form.format(command=command or "*", names=" ".join(commands[command]))


SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
