"""A report as one self-contained HTML page: no scripts, nothing loaded from elsewhere, for light and dark mode.

Every text is made printable and escaped by jinja2. Only drawings are inserted as they are; `drawing` made every
element of them. Example: document_html(document)[:15] -> "<!doctype html>"
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from crescent_lite.printable import printable
from crescent_lite.report.content import Document

TEMPLATE = Path(__file__).with_name("page.html.jinja")
LONG_CELL = 26
"""Characters of a table's cell from which on it may wrap; shorter cells stay on one line."""
NUMBER = re.compile(r"[-+]?[\d,.]+(?:%|e-\d+)?")


def document_html(document: Document) -> str:
    """The full report as an HTML page."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    def safe(value: Any) -> Any:
        return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, finalize=safe, trim_blocks=True, lstrip_blocks=True
    )
    environment.tests["number"] = lambda text: bool(NUMBER.fullmatch(text))
    environment.tests["long"] = lambda text: len(text) > LONG_CELL
    environment.filters["drawing"] = Markup
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    return template.render(document=document) + "\n"
