"""Runs the code of docs/python.md, and writes what it prints below it.

    python tests/python_page.py     # rewrites the page; takes a minute, as it samples the embedded model

Blocks run in their order, in one namespace, beside a workspace `maths` with the sample run. Those after the line
`<!-- slow -->` sample a model: they run apart from the others, and what they print must not depend on the processor.
"""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from pathlib import Path
from typing import Any

from sample_run import load_sample_run

PAGE = Path(__file__).parents[1] / "docs" / "python.md"
BLOCK = re.compile(
    r"(?P<slow><!-- slow -->\n)?```python\n(?P<code>.*?)^```\n(?:\n```text\n.*?^```\n)?", re.DOTALL | re.MULTILINE
)


def filled(page: str, folder: Path, *, slow: bool) -> str:
    """The page with what its slow blocks, or the others, print when they run in `folder`."""
    names: dict[str, Any] = {}
    if not slow:
        load_sample_run(folder / "maths")

    def with_output(block: re.Match[str]) -> str:
        if bool(block["slow"]) != slow:
            return block[0]
        printed = io.StringIO()
        with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
            exec(compile(block["code"], PAGE.name, "exec"), names)  # noqa: S102  our own page
        output = f"\n```text\n{printed.getvalue()}```\n" if printed.getvalue() else ""
        return f"{block['slow'] or ''}```python\n{block['code']}```\n{output}"

    return BLOCK.sub(with_output, page)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        text = filled(PAGE.read_text(encoding="utf-8"), Path(place), slow=False)
        PAGE.write_text(filled(text, Path(place), slow=True), encoding="utf-8")
