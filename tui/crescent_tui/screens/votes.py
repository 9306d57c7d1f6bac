"""The Votes screen: one question's votes, what they add up to and why, and each solution in full.

Shows the question that the app is at, which the Questions screen shares; the newest one with votes where none is
chosen. "Next" goes down that screen's list, to older questions.
"""

from __future__ import annotations

from array import array
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Vertical
from textual.content import Content

from crescent_lite.printable import printable
from crescent_lite.records import Vote
from crescent_lite.store import Store
from crescent_lite.store.browsing import QuestionFilter
from crescent_lite.workspace.notes import pending_on
from crescent_tui.content.colours import MUTED
from crescent_tui.content.question import question_and_votes
from crescent_tui.content.row_cells import RowCell, RowColumn
from crescent_tui.content.votes import ENDED, answer_of, no_votes_text, vote_title
from crescent_tui.screens.note import NoteScreen
from crescent_tui.screens.tab_screen import TabScreen
from crescent_tui.sources.child_process import CommandResult
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot
from crescent_tui.widgets.cached_static import CachedStatic
from crescent_tui.widgets.fitted_text import FittedText
from crescent_tui.widgets.question_pane import QuestionDetail
from crescent_tui.widgets.reading_pane import ReadingPane
from crescent_tui.widgets.row_list import RowList

COLUMNS = (
    RowColumn("", 1),
    RowColumn("vote", 4, right=True),
    RowColumn("answer", 14),
    RowColumn("tokens", 6, right=True),
    RowColumn("ended", 0),
)


class VotesScreen(TabScreen):
    """The votes of the selected question."""

    TAB = "Votes"
    AUTO_FOCUS = "RowList"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right_square_bracket", "step(1)", "Next", key_display="]"),
        Binding("left_square_bracket", "step(-1)", "Previous", key_display="[", show=False),
        Binding("d", "next_disputed", "Disputed", show=False),
        Binding("f", "add_note", "Note"),
        Binding("y", "copy", "Copy", show=False),
    ]
    DEFAULT_CSS = """
    VotesScreen #sides { height: 1fr; layout: vertical; }
    VotesScreen #left { height: 13fr; }
    VotesScreen #solution { height: 8fr; }
    VotesScreen #about-votes { height: 1fr; }
    VotesScreen #votes { height: 6; }
    VotesScreen.-tall #votes { height: 10; }
    VotesScreen.-wide #sides { layout: horizontal; }
    VotesScreen.-wide #left { width: 1fr; height: 100%; max-height: 100%; }
    VotesScreen.-wide #about-votes { height: auto; max-height: 60%; }
    VotesScreen.-wide #votes { height: 1fr; }
    VotesScreen.-wide #solution { width: 1fr; height: 100%; }
    VotesScreen #solution-text { margin-top: 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._detail: QuestionDetail | None = None
        """The question shown; None if there is none."""
        self._version = -1

    def body(self) -> ComposeResult:
        with Container(id="sides"):
            with Vertical(id="left"):
                with ReadingPane(id="about-votes", classes="panel"):
                    yield FittedText(id="about-text")
                yield RowList(COLUMNS, id="votes", classes="panel")
            with ReadingPane(id="solution", classes="panel"):
                yield CachedStatic(id="solution-title")
                yield CachedStatic(id="solution-text")

    def on_mount(self) -> None:
        self.query_one("#about-votes").border_title = "Question"
        self.query_one("#votes").border_title = "Votes"
        self.query_one("#solution").border_title = "Solution"
        self.watch(self.app, "question_id", self.show_latest, init=False)

    def show(self, snapshot: WorkspaceSnapshot) -> None:
        if not snapshot.is_loaded:
            return
        question_id, shown = self.app.question_id, self._detail
        if snapshot.run is None:
            self._show_nothing("No run yet; press s to start one.")
        elif question_id is None:
            self._find_newest(snapshot.run.run_id)
        elif snapshot.version != self._version or shown is None or shown.question.question_id != question_id:
            self._read(question_id)
        self._version = snapshot.version

    def _find_newest(self, run_id: int) -> None:
        """Select the newest question with votes."""
        wanted = QuestionFilter(run_id, voted=True)
        self.app.read("voted question", lambda store: store.browsing.fetch_next(wanted), self._take_newest)

    def _take_newest(self, question_id: int | None) -> None:
        if self.app.question_id is not None:
            return
        if question_id is None:
            self._show_nothing("No votes yet. A question is voted on after it has been kept.")
        else:
            self.app.question_id = question_id

    def _read(self, question_id: int) -> None:
        workspace = self.app.workspace

        def fetch(store: Store) -> QuestionDetail | None:
            if (question := store.watching.fetch_question(question_id)) is None:
                return None
            return QuestionDetail(question, (), pending_on(workspace, question_id, question.notes))

        self.app.read("votes", fetch, lambda detail: self._show(question_id, detail))

    def _show(self, question_id: int, detail: QuestionDetail | None) -> None:
        if question_id != self.app.question_id:
            return
        if detail is None:
            self.app.question_id = None  # from the saved state of another database
            return
        question, rows = detail.question, self.query_one("#votes", RowList)
        is_another = self._detail is None or self._detail.question.question_id != question_id
        self._detail = detail
        about = self.query_one("#about-text", FittedText)
        about.draw(lambda width: question_and_votes(question, detail.pending_notes, width))
        self.query_one("#about-votes").border_title = f"Question {question_id} of run {question.run_id}"
        rows.border_title = f"Votes: {len(question.votes):,}"
        rows.border_subtitle = "★ kept as the example" if question.chosen_vote is not None else ""
        rows.placeholder = no_votes_text(question)
        rows.set_cells(
            {
                vote.vote_id: _cells(vote, tokens, kept=vote.vote_id == question.chosen_vote)
                for vote, tokens in zip(question.votes, question.vote_tokens, strict=False)
            }
        )
        keys = array("q", [vote.vote_id for vote in question.votes])
        if is_another:
            self.query_one("#about-votes", ReadingPane).scroll_home(animate=False)
            rows.set_keys(keys, stay=False, at=question.chosen_vote)
        elif keys != rows.keys:
            rows.set_keys(keys)
        self._show_solution(rewind=is_another)

    def _show_nothing(self, words: str) -> None:
        """Show no question, and `words`, which say why and are trusted."""
        self._detail = None
        rows = self.query_one("#votes", RowList)
        self.query_one("#about-text", FittedText).draw(lambda _: Content.styled(words, MUTED))
        rows.placeholder = ""
        rows.set_keys(array("q"))
        self._show_solution()

    @on(RowList.Highlighted)
    def _choose(self) -> None:
        self._show_solution(rewind=True)

    @on(RowList.Chosen)
    def _to_solution(self) -> None:
        self.set_focus(self.query_one("#solution"))

    def _chosen(self) -> tuple[Vote, int] | None:
        """The vote under the cursor and its number of tokens."""
        key = self.query_one("#votes", RowList).key
        question = self._detail.question if self._detail else None
        votes = zip(question.votes, question.vote_tokens, strict=False) if question else ()
        return next((each for each in votes if each[0].vote_id == key), None)

    def _show_solution(self, *, rewind: bool = False) -> None:
        title, text = self.query_one("#solution-title", CachedStatic), self.query_one("#solution-text", CachedStatic)
        chosen = self._chosen()
        if chosen is None or self._detail is None:
            title.update("")
            text.update("")
            return
        vote, tokens = chosen
        title.update(vote_title(self._detail.question, vote, tokens))
        said = printable(vote.text.strip())
        text.update(Content(said) if said else Content.styled("(empty)", MUTED))
        if rewind:
            self.query_one("#solution", ReadingPane).scroll_home(animate=False)

    def action_step(self, step: int) -> None:
        """Go to the next question with votes, or to the previous one."""
        here = self.app.question_id
        where = {"before": here} if step > 0 else {"after": here}
        self._go(QuestionFilter(self._run_id, voted=True), where, "No more questions with votes.")

    def action_next_disputed(self) -> None:
        """Go to the next disputed question, after the last one to the first."""
        wanted = QuestionFilter(self._run_id, disputed=True)
        self._go(wanted, {"before": self.app.question_id}, "No question of this run is disputed.", around=True)

    @property
    def _run_id(self) -> int:
        return self.app.snapshot.run.run_id if self.app.snapshot.run else 0

    def _go(self, wanted: QuestionFilter, where: dict[str, int | None], none: str, *, around: bool = False) -> None:
        def fetch(store: Store) -> int | None:
            found = store.browsing.fetch_next(wanted, **where)
            return store.browsing.fetch_next(wanted) if found is None and around else found

        def go(question_id: int | None) -> None:
            if question_id is None:
                self.notify(none)
            else:
                self.app.question_id = question_id

        self.app.read("next voted question", fetch, go)

    def action_copy(self) -> None:
        """Copy the text of the solution."""
        if chosen := self._chosen():
            self.app.copy(printable(chosen[0].text), f"Vote {chosen[0].sample_index + 1}")

    def action_add_note(self) -> None:
        """Add a note to the question."""
        if self._detail is None:
            self.notify("No question selected.")
            return
        question_id = self._detail.question.question_id
        notes = len(self._detail.question.notes) + len(self._detail.pending_notes)

        def save(text: str | None) -> None:
            if text is not None:
                # After --, a text that begins with a dash is not parsed as an option.
                self.app.command(self._note_saved, "note", "--", str(question_id), text)

        self.app.push_screen(NoteScreen(question_id, notes), save)

    def _note_saved(self, result: CommandResult) -> None:
        if result.exit_code:
            self.app.show_error(result.last_line or "The note could not be saved.")
        else:
            self.notify(result.last_line, markup=False)
        if self.app.question_id is not None:
            self._read(self.app.question_id)


def _cells(vote: Vote, tokens: int, *, kept: bool) -> tuple[RowCell, ...]:
    ended = ENDED.get(vote.finish_reason, vote.finish_reason)
    return (
        RowCell("★" if kept else "", "good"),
        RowCell(str(vote.sample_index + 1), "muted"),
        RowCell(answer_of(vote), "" if vote.answer_key is not None else "muted"),
        RowCell(f"{tokens:,}"),
        RowCell(ended, "" if vote.finish_reason == "stop" else "bad"),
    )
