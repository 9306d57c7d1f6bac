"""The command line: `crescent COMMAND`. One file for each group of commands, with their options beside them."""

from crescent_lite.cli.main import build_parser, main

__all__ = ["build_parser", "main"]
