"""A view with its documentation, and the meanings of the columns that several views have.

Example: View("Each label.", "SELECT label FROM v_labels", {"label": "the accepted answer"}, "SELECT ...")
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

RUN = "id of the run"
ROUND = "number of the round in its run, from 1"
ROUND_OR_BASE = "number of the round in its run; 0 is the base, before any training"
QUESTION_ID = "id of the question"
LEADER = "the leading answer as a typed key: 'n:19' a number, '%:20' a percentage, 'c:B' a choice"
SHARE = "fraction of all votes that agree with the leading answer, 0-1; votes without an answer count against it"
NOT_DECIDED = "NULL until the votes are complete"


@dataclass(frozen=True)
class View:
    """A view and its documentation."""

    about: str
    """What a row is, in one sentence."""
    example: str
    """A query that a user might ask."""
    columns: Mapping[str, str]
    """The meaning of each column, with its unit, in the order of `select`."""
    select: str
    """The SELECT statement of the view."""
