"""Metadata for Datasette: descriptions of the views and their columns, and the saved queries. Pure.

Example: datasette_metadata("crescent")["databases"]["crescent"]["tables"]["v_labels"]["columns"]["share"]
"""

from __future__ import annotations

from typing import Any

from crescent_lite.store.saved_queries import SavedQuery, saved_queries
from crescent_lite.store.view import View
from crescent_lite.store.views import VIEWS

FACETS = {
    "v_questions": ["round", "verdict", "reason", "decision_reason"],
    "v_rejections": ["round", "reason"],
    "v_labels": ["round"],
    "v_votes": ["round", "finish_reason", "answer_form", "agrees"],
    "v_scores": ["round", "benchmark", "role"],
    "v_disputed": ["round", "decision_reason"],
}
"""Columns with few different values, by which Datasette offers to filter a view."""
SECONDS = ("seconds", "seconds_per_label", "trained_seconds")
"""Columns of durations, for which Datasette shows the unit."""


def datasette_metadata(database: str) -> dict[str, Any]:
    """The metadata for a database with this name."""
    return {
        "title": "crescent-lite",
        "description": "What a model asked, how it voted, what it was trained on, and whether it got better.",
        "databases": {
            database: {
                "tables": {
                    **{name: _table(name, view) for name, view in VIEWS.items()},
                    "_sqlite_migrations": {"hidden": True},
                },
                "queries": {query.name: _canned(query) for query in saved_queries()},
            }
        },
    }


def _table(name: str, view: View) -> dict[str, Any]:
    return {
        "description": view.about,
        "columns": dict(view.columns),
        "units": {column: "s" for column in SECONDS if column in view.columns},
        "facets": FACETS.get(name, []),
        "size": 50,
    }


def _canned(query: SavedQuery) -> dict[str, Any]:
    takes = " ".join(f"{name}: {meaning}." for name, meaning in query.parameters.items())
    return {
        "title": query.title,
        "description": f"{query.about[:1].upper()}{query.about[1:]} {takes}",
        "sql": "\n".join(line for line in query.sql.splitlines() if not line.startswith("--")),
        "params": list(query.parameters),
        "hide_sql": True,
    }
