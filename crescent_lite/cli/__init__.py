"""The command line."""

from crescent_lite.cli.main import main

__all__ = ["main"]
