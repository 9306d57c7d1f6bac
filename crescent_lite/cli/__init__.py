"""The command line: one file for each group of commands, with the options beside the commands."""

from crescent_lite.cli.main import build_parser, main

__all__ = ["build_parser", "main"]
