"""One question in full, to be scrolled: beside what it is too close to, where there is room, else above it.

Reads nothing. Example: pane.show(Looked(question, chain, waiting))
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content

from crescent_lite.records import Note
from crescent_lite.store.browsing import Link
from crescent_lite.store.watching import WatchedQuestion
from crescent_tui.content.colours import MUTED
from crescent_tui.content.question import question_about, question_pair, question_rest
from crescent_tui.widgets.cached_static import SteadyText
from crescent_tui.widgets.reading_pane import ReadingPane

ROOMY = 96
"""Columns from which two texts stand side by side."""


@dataclass(frozen=True)
class Looked:
    """What was read of a question."""

    question: WatchedQuestion
    chain: tuple[Link, ...]
    """Its rewrites."""
    waiting: tuple[Note, ...]
    """Notes on it that are not stored yet."""


class QuestionPane(ReadingPane):
    """Shows one question."""

    DEFAULT_CSS = """
    QuestionPane SteadyText { height: auto; width: 100%; }
    QuestionPane #pair { height: auto; margin-top: 1; layout: vertical; }
    QuestionPane #match { margin-top: 1; }
    QuestionPane.-roomy #pair { layout: horizontal; }
    QuestionPane.-roomy #mine { width: 1fr; margin-right: 3; }
    QuestionPane.-roomy #match { width: 1fr; margin-top: 0; }
    """
    question: WatchedQuestion | None = None
    """What is shown."""

    def compose(self) -> ComposeResult:
        yield SteadyText(id="about")
        with Container(id="pair"):
            yield SteadyText(id="mine")
            yield SteadyText(id="match")
        yield SteadyText(id="rest")

    def on_resize(self) -> None:
        """Side by side, or one above the other."""
        self.set_class(self.size.width >= ROOMY, "-roomy")

    def show(self, looked: Looked) -> None:
        """Another question, or this one as it is by now."""
        question = looked.question
        if self.question is None or self.question.question_id != question.question_id:
            self.scroll_home(animate=False)
        self.question = question
        pair = question_pair(question)
        self.query_one("#about", SteadyText).update(question_about(question))
        self.query_one("#pair").display = pair is not None
        if pair:
            self.query_one("#mine", SteadyText).update(pair[0])
            self.query_one("#match", SteadyText).update(pair[1])
        self.query_one("#rest", SteadyText).update(question_rest(question, looked.chain, looked.waiting))

    def clear(self, words: str) -> None:
        """There is no question; `words` say why, and are ours."""
        self.question = None
        self.query_one("#about", SteadyText).update(Content.styled(words, MUTED))
        self.query_one("#pair").display = False
        self.query_one("#rest", SteadyText).update("")
