"""The command that completes this command line in a shell: completion. The script is made from the parser by shtab.

Example: main(["completion", "bash"]) prints a script for ~/.local/share/bash-completion/completions/crescent
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from crescent_lite.cli.options import Subparsers, add_command
from crescent_lite.cli.terminal import result
from crescent_lite.errors import MissingPackageError

SHELLS = ("bash", "zsh", "fish")
"""The shells that this command offers; shtab knows more."""


def add_completion(subparsers: Subparsers) -> None:
    """`crescent completion` and its options."""
    about = "print a script that completes commands and options in a shell"
    parser = add_command(subparsers, "completion", completion_command, about, example="crescent completion bash")
    parser.add_argument("shell", choices=SHELLS, help="shell that reads the script")


def completion_command(options: argparse.Namespace) -> int:
    """Print the script of a shell. Raises MissingPackageError without shtab."""
    try:
        import shtab
    except ImportError:
        raise MissingPackageError("crescent completion needs shtab; run `pip install shtab`") from None
    listed_parser(options.root)
    for parser in parsers(options.root):
        for action in parser._actions:
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    script = shtab.complete(options.root, options.shell)
    return result(options, {"shell": options.shell, "script": script}, script)


def listed_parser(root: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The parser with its list of commands, which `crescent --help` leaves out because it groups them itself."""
    for action in root._actions:
        if isinstance(action, argparse._SubParsersAction):
            action.help = None
    return root


def parsers(root: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and those of its commands, at every depth."""
    yield root
    for action in root._actions:
        if isinstance(action, argparse._SubParsersAction):
            for parser in action.choices.values():
                yield from parsers(parser)
