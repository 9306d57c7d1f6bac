"""A parser of command lines whose errors are one line with a suggestion, and which never ends the process.

Adds to argparse: the nearest command, option or choice to one that does not exist, and a hint in every message. Knows
no command. Example:
    build_parser().parse(["exprot"])
    # UsageError: crescent: there is no command 'exprot'; did you mean 'export'? `crescent --help` lists all
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Sequence
from typing import Any, NoReturn

from crescent_lite.errors import UsageError

REQUIRED = "the following arguments are required: "
"""How argparse begins the message about an argument that is missing."""


def nearest(word: str, known: Collection[str]) -> str:
    """The known word that `word` most likely misspells; '' if none is like it."""
    from difflib import get_close_matches

    plain = {each.lower().replace("_", "-"): each for each in known}
    found = get_close_matches(word.lower().replace("_", "-"), plain, n=1, cutoff=0.6)
    return plain[found[0]] if found else ""


def did_you_mean(word: str, known: Collection[str], or_else: str) -> str:
    """A hint that names the nearest known word, then `or_else`."""
    found = nearest(word, known)
    return f"did you mean {found!r}? {or_else}" if found else or_else


class CommandParser(argparse.ArgumentParser):
    """An argparse parser that raises UsageError with a hint where argparse would print its usage and exit."""

    def __init__(self, *args: Any, **options: Any) -> None:
        # `--r 2` would mean --rounds until an option --resume comes, and a slip would start hours of work.
        super().__init__(*args, **{"allow_abbrev": False, **options})

    given: Sequence[str] = ()
    """The arguments that are being parsed."""
    default_command = ""
    """The command that is meant where none is named; '' if one must be named."""

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The options of a whole command line. Raises UsageError; --help and --version raise SystemExit(0)."""
        options: argparse.Namespace
        options, rest = self.parse_known_args(arguments)
        if rest:
            parser: CommandParser = getattr(options, "parser", self)
            raise parser.unexpected(rest[0])
        return options

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and remember the arguments for an error's hint."""
        self.given = list(args or ())
        if self.default_command and not self._names_a_command():
            self.given = [self.default_command, *self.given]
        return super().parse_known_args(self.given, namespace)

    def _names_a_command(self) -> bool:
        """Whether the arguments name a command, begin with what is meant to be one, or ask for help."""
        known = {name for each in self._actions for name in (each.choices or ()) if each.nargs == argparse.PARSER}
        values = zip(["", *self.given], self.given, strict=False)
        words = {word for before, word in values if before not in ("-w", "--workspace")}
        begins = bool(self.given) and not self.given[0].startswith("-")
        return begins or not words.isdisjoint({*known, "-h", "--help"})

    def error(self, message: str) -> NoReturn:
        """Raise UsageError. An option that does not exist is named first, as it may explain what is missing."""
        unknown = [each for each in self.given if each.startswith("--") and not self._knows(each)]
        if unknown and "required" in message:
            raise self.unexpected(unknown[0])
        missing = message.removeprefix(REQUIRED)
        if missing != message:
            message = f"{missing if missing.startswith('-') else missing.upper()} is missing"
        message = message.removeprefix("argument ")
        hint = (message.endswith("is missing") and self.example) or f"`{self.prog} --help` explains it"
        raise UsageError(f"{self.prog}: {message}; {hint}")

    @property
    def example(self) -> str:
        """A hint with the example of the command; '' if it has none."""
        epilog = self.epilog or ""
        return f"e.g. `{epilog.removeprefix('Example: ')}`" if epilog.startswith("Example: ") else ""

    def unexpected(self, argument: str) -> UsageError:
        """The error for an argument that the command does not take."""
        if argument.startswith("-") and argument != "-":
            name = argument.partition("=")[0]
            hint = did_you_mean(name, self._option_string_actions, f"`{self.prog} --help` lists its options")
            return UsageError(f"{self.prog}: there is no option {name!r}; {hint}")
        hint = self.example or f"see `{self.prog} --help`"
        return UsageError(f"{self.prog}: unexpected argument {argument!r}; {hint}")

    def _knows(self, option: str) -> bool:
        return option.partition("=")[0] in self._option_string_actions

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Raise UsageError for a value that is none of an action's choices. argparse has no public way to do this."""
        if action.choices is None or value in action.choices:
            return
        names = [str(each) for each in action.choices]
        if isinstance(action, argparse._SubParsersAction):
            hint = did_you_mean(str(value), names, f"`{self.prog} --help` lists all")
            raise UsageError(f"{self.prog}: there is no command {value!r}; {hint}")
        name = action.option_strings[-1] if action.option_strings else str(action.metavar or action.dest).upper()
        hint = did_you_mean(str(value), names, f"use one of {', '.join(names)}")
        raise UsageError(f"{self.prog}: {name}: {value!r} is not known; {hint}")
