"""Runs Datasette as `python -m datasette` does, and ends with the process that started it. Nobody imports this.

serve.py starts it with a pipe as stdin. Example: python -m crescent_lite.cli.datasette_program serve data/crescent.db
"""

from __future__ import annotations

from crescent_lite.child_program import end_with_the_parent


def main() -> None:
    """Do what the command line asks of Datasette."""
    from datasette.cli import cli

    cli(prog_name="datasette")


if __name__ == "__main__":
    end_with_the_parent()
    main()
