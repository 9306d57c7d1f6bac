"""One question in full, in a scrolled pane. A match, which it is too close to, is shown beside or below it.

Reads nothing. Example: pane.show(QuestionDetail(question, chain, pending_notes))
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
from crescent_tui.widgets.cached_static import CachedStatic
from crescent_tui.widgets.reading_pane import ReadingPane

ROOMY = 96
"""The width in cells from which two texts are shown side by side."""


@dataclass(frozen=True)
class QuestionDetail:
    """The data of one question."""

    question: WatchedQuestion
    """The question with its votes and stored notes."""
    chain: tuple[Link, ...]
    """The question with what it was rewritten from and to, in order."""
    pending_notes: tuple[Note, ...]
    """Notes that the engine has not stored yet."""


class QuestionPane(ReadingPane):
    """Shows one question, or a sentence if there is none."""

    DEFAULT_CSS = """
    QuestionPane CachedStatic { height: auto; width: 100%; }
    QuestionPane #pair { height: auto; margin-top: 1; layout: vertical; }
    QuestionPane #match { margin-top: 1; }
    QuestionPane.-roomy #pair { layout: horizontal; }
    QuestionPane.-roomy #mine { width: 1fr; margin-right: 3; }
    QuestionPane.-roomy #match { width: 1fr; margin-top: 0; }
    """
    question: WatchedQuestion | None = None
    """The question shown; None if there is none."""

    def compose(self) -> ComposeResult:
        yield CachedStatic(id="about")
        with Container(id="pair"):
            yield CachedStatic(id="mine")
            yield CachedStatic(id="match")
        yield CachedStatic(id="rest")

    def on_resize(self) -> None:
        """Show two texts side by side, or one above the other."""
        self.set_class(self.size.width >= ROOMY, "-roomy")

    def show(self, detail: QuestionDetail) -> None:
        """Show another question, or a newer state of this one."""
        question = detail.question
        if self.question is None or self.question.question_id != question.question_id:
            self.scroll_home(animate=False)
        self.question = question
        pair = question_pair(question)
        self.query_one("#about", CachedStatic).update(question_about(question))
        self.query_one("#pair").display = pair is not None
        if pair:
            self.query_one("#mine", CachedStatic).update(pair[0])
            self.query_one("#match", CachedStatic).update(pair[1])
        self.query_one("#rest", CachedStatic).update(question_rest(question, detail.chain, detail.pending_notes))

    def clear(self, words: str) -> None:
        """Show no question, and `words`, which say why and are trusted."""
        self.question = None
        self.query_one("#about", CachedStatic).update(Content.styled(words, MUTED))
        self.query_one("#pair").display = False
        self.query_one("#rest", CachedStatic).update("")
