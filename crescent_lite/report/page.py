"""A report as one HTML page with everything in it: no script, no address that is loaded, readable in light and dark.

Every text goes through jinja2's escaping and is made printable; only the drawings are taken as they are, and those
are made of nothing but `drawing`'s own elements. Example: document_html(document)[:15] -> "<!doctype html>"
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from crescent_lite.printable import printable
from crescent_lite.report.content import Document

TEMPLATE = Path(__file__).with_name("page.html.jinja")
LONG_CELL = 26
"""Characters; a shorter text in a table stays on its line."""
NUMBER = re.compile(r"[-+]?[\d,.]+(?:%|e-\d+)?")


def document_html(document: Document) -> str:
    """The whole page."""
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
