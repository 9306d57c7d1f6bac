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
from crescent_lite.workspace.notes import pending_notes
from crescent_tui.content.colours import MUTED
from crescent_tui.content.question import question_and_votes
from crescent_tui.content.votes import ENDED, answer_of, no_votes_words, vote_title
from crescent_tui.screens.note import NoteScreen
from crescent_tui.screens.tab_screen import WatchingScreen
from crescent_tui.sources.child_process import Ended
from crescent_tui.sources.follower import Sight
from crescent_tui.widgets.cached_static import SteadyText
from crescent_tui.widgets.fitted_text import Drawn
from crescent_tui.widgets.question_pane import Looked
from crescent_tui.widgets.reading_pane import ReadingPane
from crescent_tui.widgets.row_list import Cell, Column, RowList

COLUMNS = (
    Column("", 1),
    Column("vote", 4, right=True),
    Column("answer", 14),
    Column("tokens", 6, right=True),
    Column("ended", 0),
)


class VotesScreen(WatchingScreen):
    """The chosen question's votes."""

    TAB = "Votes"
    AUTO_FOCUS = "RowList"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right_square_bracket", "step(1)", "Next", key_display="]"),
        Binding("left_square_bracket", "step(-1)", "Previous", key_display="[", show=False),
        Binding("d", "next_disputed", "Disputed", show=False),
        Binding("f", "flag", "Flag"),
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
        self._looked: Looked | None = None
        """What is shown."""
        self._version = -1

    def body(self) -> ComposeResult:
        with Container(id="sides"):
            with Vertical(id="left"):
                with ReadingPane(id="about-votes", classes="panel"):
                    yield Drawn(id="about-text")
                yield RowList(COLUMNS, id="votes", classes="panel")
            with ReadingPane(id="solution", classes="panel"):
                yield SteadyText(id="solution-title")
                yield SteadyText(id="solution-text")

    def on_mount(self) -> None:
        self.query_one("#about-votes").border_title = "Question"
        self.query_one("#votes").border_title = "Votes"
        self.query_one("#solution").border_title = "Solution"
        self.watch(self.app, "question_id", self.look_again, init=False)

    def show(self, sight: Sight) -> None:
        if not sight.looked:
            return
        question_id, shown = self.app.question_id, self._looked
        if sight.run is None:
            self._show_nothing("No run yet: s starts one.")
        elif question_id is None:
            self._find_newest(sight.run.run_id)
        elif sight.version != self._version or shown is None or shown.question.question_id != question_id:
            self._read(question_id)
        self._version = sight.version

    def _find_newest(self, run_id: int) -> None:
        """The newest question with votes."""
        wanted = QuestionFilter(run_id, voted=True)
        self.app.read("voted question", lambda store: store.browsing.fetch_next(wanted), self._take_newest)

    def _take_newest(self, question_id: int | None) -> None:
        if self.app.question_id is not None:
            return
        if question_id is None:
            self._show_nothing("No votes yet: a question is voted on after it was kept.")
        else:
            self.app.question_id = question_id

    def _read(self, question_id: int) -> None:
        workspace = self.app.workspace

        def look(store: Store) -> Looked | None:
            question = store.watching.fetch_question(question_id)
            waiting = tuple(note for note in pending_notes(workspace) if note.question_id == question_id)
            return Looked(question, (), waiting) if question else None

        self.app.read("votes", look, lambda looked: self._show(question_id, looked))

    def _show(self, question_id: int, looked: Looked | None) -> None:
        if question_id != self.app.question_id:
            return
        if looked is None:
            self.app.question_id = None  # remembered from a database that is another one by now
            return
        question, rows = looked.question, self.query_one("#votes", RowList)
        is_another = self._looked is None or self._looked.question.question_id != question_id
        self._looked = looked
        about = self.query_one("#about-text", Drawn)
        about.draw(lambda width: question_and_votes(question, looked.waiting, width))
        self.query_one("#about-votes").border_title = f"Question {question_id} of run {question.run_id}"
        rows.border_title = f"Votes: {len(question.votes):,}"
        rows.border_subtitle = "★ kept as the example" if question.chosen_vote is not None else ""
        rows.placeholder = no_votes_words(question)
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
        """There is no question; `words` say why, and are ours."""
        self._looked = None
        rows = self.query_one("#votes", RowList)
        self.query_one("#about-text", Drawn).draw(lambda _: Content.styled(words, MUTED))
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
        """The vote under the cursor, and its tokens."""
        key = self.query_one("#votes", RowList).key
        question = self._looked.question if self._looked else None
        votes = zip(question.votes, question.vote_tokens, strict=False) if question else ()
        return next((each for each in votes if each[0].vote_id == key), None)

    def _show_solution(self, *, rewind: bool = False) -> None:
        title, text = self.query_one("#solution-title", SteadyText), self.query_one("#solution-text", SteadyText)
        chosen = self._chosen()
        if chosen is None or self._looked is None:
            title.update("")
            text.update("")
            return
        vote, tokens = chosen
        title.update(vote_title(vote, tokens, kept=vote.vote_id == self._looked.question.chosen_vote))
        said = printable(vote.text.strip())
        text.update(Content(said) if said else Content.styled("(nothing)", MUTED))
        if rewind:
            self.query_one("#solution", ReadingPane).scroll_home(animate=False)

    def action_step(self, step: int) -> None:
        """The next question with votes, or the previous one."""
        here = self.app.question_id
        where = {"before": here} if step > 0 else {"after": here}
        self._go(QuestionFilter(self._run_id, voted=True), where, "There are no votes further on.")

    def action_next_disputed(self) -> None:
        """The next disputed question, and after the last one the first."""
        wanted = QuestionFilter(self._run_id, disputed=True)
        self._go(wanted, {"before": self.app.question_id}, "No question of this run is disputed.", around=True)

    @property
    def _run_id(self) -> int:
        return self.app.sight.run.run_id if self.app.sight.run else 0

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
        """The solution's text."""
        if chosen := self._chosen():
            self.app.copy_to_clipboard(printable(chosen[0].text))
            self.notify(f"Vote {chosen[0].sample_index + 1} is in the clipboard.")

    def action_flag(self) -> None:
        """Remark on the question."""
        if self._looked is None:
            self.notify("There is no question to be flagged.")
            return
        question_id = self._looked.question.question_id
        notes = len(self._looked.question.notes) + len(self._looked.waiting)

        def keep(text: str | None) -> None:
            if text is not None:
                # After -- a text that begins with a dash is a text too.
                self.app.command(self._noted, "note", "--", str(question_id), text)

        self.app.push_screen(NoteScreen(question_id, notes), keep)

    def _noted(self, ended: Ended) -> None:
        if ended.exit_code:
            self.app.complain(ended.last_line or "The note was not kept.")
        else:
            self.notify(ended.last_line, markup=False)
        if self.app.question_id is not None:
            self._read(self.app.question_id)


def _cells(vote: Vote, tokens: int, *, kept: bool) -> tuple[Cell, ...]:
    ended = ENDED.get(vote.finish_reason, vote.finish_reason)
    return (
        Cell("★" if kept else "", "good"),
        Cell(str(vote.sample_index + 1), "muted"),
        Cell(answer_of(vote), "" if vote.answer_key is not None else "muted"),
        Cell(f"{tokens:,}"),
        Cell(ended, "" if vote.finish_reason == "stop" else "bad"),
    )
