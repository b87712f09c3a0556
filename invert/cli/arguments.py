"""The parser of each command, and their errors as one line."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from typing import Any, NoReturn

from invert.errors import RequestError, unknown
from invert.sweeps.options import Option, asked

USAGE = """\
  invert MODEL --layer fc6 --prior dip                     invert a layer
  invert MODEL --layer conv1,conv3,fc6 --prior dip,tv,none layers × priors, one report
  invert MODEL --layer all                                 the layers that matter, shallow to deep
  invert MODEL --class zebra,"golf ball"                   draw what a class looks for
  invert MODEL --unit conv4:17                             ... a channel; conv4:17@6,6 one neuron of it
  invert MODEL --objective NAME --set NAME.SETTING=VALUE   what a plug-in asks of the picture
  invert layers MODEL [--json]                             names, aliases, shapes
  invert models [PATTERN]                                  what MODEL can be
  invert priors                                            the priors and their settings
  invert doctor                                            what is installed, and whether it works
  invert report DIR [DIR ...] [--out DIR]                  draw the page again; merge runs into one
  invert restore denoise|inpaint|upscale|jpeg|flash FILE ...  the same engine, without a network
  invert compare A B [--fail-if "layer fc6 kept.luminance < -0.05"]   two networks or checkpoints
  invert completion bash|zsh|fish                          for the shell: completes the words above

MODEL is alexnet-mini (bundled, no download), a torchvision name (alexnet), timm:NAME, or your own
path/to/file.py:factory. torchvision:NAME, where a name equals one of the commands above."""


class Answered(SystemExit):
    """What was asked was `--help`, and it was answered."""


class Parser(argparse.ArgumentParser):
    """argparse whose errors are `RequestError`, so that every error of the tool looks the same."""

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        # An empty folder or file would be taken for the current folder.
        if any(not word.strip() for word in arg_strings):
            raise argparse.ArgumentError(action, "it is empty: leave it out, or say what it is")
        return super()._get_values(action, arg_strings)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise Answered(status)

    def error(self, message: str) -> NoReturn:
        raise RequestError(f"{message} (see {self.prog} --help)")

    def parse_args(self, words: Sequence[str], namespace: Any = None) -> argparse.Namespace:  # type: ignore[override]
        """Raises `RequestError`, before anything else for an option that is none."""
        known = [name for action in self._actions for name in action.option_strings if name.startswith("--")]
        for word in words:
            if word == "--":
                break
            name = word.partition("=")[0]
            if name.startswith("--") and " " not in word and name not in known:
                raise unknown("option", name, known, f"see {self.prog} --help")
            if name in known and word == f"{name}=--":  # which argparse takes for the end of the options
                self.error(f"argument {name}: it cannot be '--'")
        # Where files may stand among the options, those are read first.
        several = any(action.nargs == "*" and not action.option_strings for action in self._actions)
        read = super().parse_intermixed_args if several else super().parse_args
        said: argparse.Namespace = read(words, namespace)
        return said


def parser(command: str, description: str) -> Parser:
    return Parser(
        prog=f"invert {command}".strip(),
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_options(
    p: Parser, cls: type[Any], only: Collection[str] | None = None, may_lack: Collection[str] = ()
) -> None:
    """The options that fill the fields of a class, or only some of them, in its groups.

    The arguments `may_lack` need not be there.
    """
    groups: dict[str, argparse._ActionsContainer] = {"": p}
    groups |= {group.title: group for group in p._action_groups if group.title}
    for one, how in asked(cls):
        if only is None or one.name in only:
            if how.group not in groups:
                groups[how.group] = p.add_argument_group(how.group)
            for option in how.options:
                _add(groups[how.group], option, one.name in may_lack)


def _add(group: argparse._ActionsContainer, option: Option, may_lack: bool) -> None:
    help = option.help.replace("%", "%%")
    if not option.name.startswith("-"):
        times: dict[str, Any] = {"nargs": "?"} if may_lack else {}
        if option.repeated:
            times = {"nargs": "*"}
        group.add_argument(option.name, metavar=option.metavar, help=help, default=argparse.SUPPRESS, **times)
        return
    details: dict[str, Any] = {"dest": option.key, "help": help, "default": argparse.SUPPRESS}
    if not option.metavar:
        group.add_argument(option.name, action="store_true", **details)
        return
    if option.bare is not None:
        details |= {"nargs": "?", "const": option.bare}
    if option.repeated:
        details["action"] = "append"
    group.add_argument(option.name, metavar=option.metavar, type=_type(option), **details)


def _type(option: Option) -> Any:
    def read(text: str) -> Any:
        try:
            return option.form.read(text)
        except RequestError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read
