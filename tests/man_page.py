"""Writes docs/crescent.1, the man page, from the parser of the command line. A wheel installs it under share/man.

python tests/man_page.py      # or `make docs`; does nothing without argparse-manpage
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from unittest import mock

from crescent_lite.cli.completion import listed_parser
from crescent_lite.cli.main import build_parser
from crescent_lite.config.names import VERSION

PAGE = Path(__file__).parents[1] / "docs" / "crescent.1"
SUMMARY = "crescent - a language model improves its own maths on one workstation"


def man_page() -> str:
    """The page in roff. Raises ImportError without argparse-manpage."""
    from argparse_manpage.manpage import Manpage

    with mock.patch.dict(os.environ, COLUMNS="80"):  # argparse wraps to the width of the terminal
        parser = listed_parser(build_parser())
        parser.epilog = "Example: crescent run -w maths --rounds 2"  # the page has a list of its own
        about = {"date": f"crescent-lite {VERSION}", "manual_title": "crescent-lite", "project_name": "crescent-lite"}
        text = str(Manpage(parser, about))
    text = text.replace(".SH NAME\ncrescent\n", f".SH NAME\n{SUMMARY}\n")
    return text.replace(".SH\nPOSITIONAL ARGUMENTS\n", ".SH COMMANDS\n", 1).rstrip("\n") + "\n"


def main() -> int:
    """Bring the page up to date; says so if it changed."""
    try:
        text = man_page()
    except ImportError:
        sys.stderr.write("argparse-manpage is not installed; docs/crescent.1 stays as it is\n")
        return 0
    if not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != text:
        PAGE.write_text(text, encoding="utf-8")
        sys.stderr.write("docs/crescent.1: written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
