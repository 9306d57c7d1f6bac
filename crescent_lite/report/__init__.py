"""The reports of a run: its tables for a terminal, and the full report as Markdown and as one HTML page.

Reads the store; decides nothing. Scores come with their interval, and no sentence claims more than its number does.
Example:
    report_markdown(build_report(store, run_id))
    write_document(build_document(store, run_id), workspace.exports, run_id)   # run-1.md and run-1.html
"""

from crescent_lite.report.content import Document, Excerpt, Figure, Report, Section, Table
from crescent_lite.report.document import build_document, write_document
from crescent_lite.report.markdown import document_markdown, report_markdown
from crescent_lite.report.page import document_html
from crescent_lite.report.tables import build_report

__all__ = [
    "Document",
    "Excerpt",
    "Figure",
    "Report",
    "Section",
    "Table",
    "build_document",
    "build_report",
    "document_html",
    "document_markdown",
    "report_markdown",
    "write_document",
]
