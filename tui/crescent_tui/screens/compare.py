"""The Compare screen: one question, answered live by two models of the run, the one after the other.

The models run in a child process, which ends with the answer, on escape, with the next question, or with the app.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.content import Content
from textual.events import Key
from textual.message import Message
from textual.widgets import Label, Select, TextArea

from crescent_lite.errors import CrescentError
from crescent_lite.printable import printable
from crescent_lite.rounds import Standing
from crescent_lite.store.watching import WatchedQuestion
from crescent_tui.content import compare as compare_content
from crescent_tui.content.colours import MUTED
from crescent_tui.content.compare import Side
from crescent_tui.screens.tab_screen import WatchingScreen
from crescent_tui.sources.child_process import Ended, TellingChild
from crescent_tui.sources.follower import Sight
from crescent_tui.widgets.cached_static import SteadyText

SHOW_SECONDS = 0.1
"""Between two looks at a growing text."""
HINT = "enter or ctrl+r asks both; u takes the question that is looked at"
BUSY = "A run is at work: memory and processor are shared, so this is slow and slows it down."


class QuestionEditor(TextArea):
    """A question; enter asks it."""

    class Asked(Message):
        """Enter was pressed."""

    async def _on_key(self, event: Key) -> None:
        # Textual calls the editor's own handler too, unless it is told not to.
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Asked())


class LineCame(Message):
    """The child said something."""

    def __init__(self, child: TellingChild, line: str) -> None:
        super().__init__()
        self.child, self.line = child, line


class ChildEnded(Message):
    """The child is gone."""

    def __init__(self, child: TellingChild, ended: Ended) -> None:
        super().__init__()
        self.child, self.ended = child, ended


class CompareScreen(WatchingScreen):
    """Two models, one question."""

    TAB = "Compare"
    AUTO_FOCUS = "#left"
    CSS = """
    CompareScreen #asked { height: 4; }
    CompareScreen.-tall #asked { height: 6; }
    CompareScreen #models { height: 1; padding: 0 1; }
    CompareScreen #models Label { width: auto; padding: 0 1; color: $foreground 60%; }
    CompareScreen #models Select { width: 1fr; }
    CompareScreen #said { height: auto; max-height: 3; padding: 0 2; }
    CompareScreen #panes { height: 1fr; layout: vertical; }
    CompareScreen #panes > VerticalScroll { height: 1fr; width: 1fr; }
    CompareScreen.-wide #panes { layout: horizontal; }
    CompareScreen.-wide #panes > VerticalScroll { height: 100%; }
    CompareScreen .found { height: auto; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+r,f5,ctrl+enter,ctrl+j", "ask", "Ask", key_display="^r"),
        Binding("u", "use_question", "Use question"),
        Binding("e,i", "edit", "Edit", key_display="e"),
        Binding("escape", "leave", "Cancel/out"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._child: TellingChild | None = None
        self._sides = {"left": Side(""), "right": Side("")}
        self._choices: tuple[tuple[str, int], ...] = ()
        self._read_at: tuple[int, int] | None = None
        """The run, and the version of the sight, that the choices were read at."""
        self._is_stale = False
        """The panes show less than has come."""

    def body(self) -> ComposeResult:
        question = QuestionEditor(id="asked", classes="panel")
        question.placeholder = "A question: write it here, or u takes the one that was looked at"
        question.border_title, question.highlight_cursor_line = "Question", False
        yield question
        with Horizontal(id="models"):
            for side in self._sides:
                yield Label(side)
                yield Select[int]([], prompt="no model yet", id=f"{side}-model", compact=True)
        yield SteadyText(id="said")
        with Container(id="panes"):
            for side in self._sides:
                with VerticalScroll(id=side, classes="panel"):
                    yield SteadyText(id=f"{side}-text")
                    yield SteadyText(id=f"{side}-found", classes="found")

    def on_mount(self) -> None:
        self.set_interval(SHOW_SECONDS, self._show_what_came)
        self._say(Content.styled(HINT, MUTED))
        self._show_sides()

    def on_unmount(self) -> None:
        if self._child:
            self._child.end()

    def show(self, sight: Sight) -> None:
        if sight.run is None:
            if sight.looked and not sight.trouble:
                self._choices_came(None)
                self._say(Content.styled("No run yet: s starts one; then its models can be asked here.", MUTED))
            return
        run_id = sight.run.run_id
        if self._read_at != (run_id, sight.version):
            self._read_at = (run_id, sight.version)
            self.app.read("models to compare", lambda store: store.fetch_standing(run_id), self._choices_came)

    def action_ask(self) -> None:
        """Have both models answer; a question that is being answered is given up."""
        run, question = self.app.sight.run, self.query_one(QuestionEditor).text
        numbers = [value for value in self._chosen().values() if value is not None]
        if run is None or not numbers:
            self._say(Content.styled("There is no model to ask yet: s starts a run.", "$text-warning"))
        elif not question.strip():
            self._say(Content.styled("No question yet: e writes one, u takes the one looked at.", "$text-warning"))
        elif len(set(numbers)) < len(numbers):
            self._say(Content.styled("Both sides are the same model: choose two.", "$text-warning"))
        else:
            self._start(run.run_id, numbers, question)

    def action_use_question(self) -> None:
        """The question that is looked at on the other screens."""
        number = self.app.question_id
        if number is None:
            self._say(
                Content.styled("No question is looked at: choose one on the Questions screen.", "$text-warning")
            )
        else:
            self.app.read("question to compare", lambda store: store.watching.fetch_question(number), self._use)

    def action_edit(self) -> None:
        """Into the question."""
        self.set_focus(self.query_one(QuestionEditor))

    def action_leave(self) -> None:
        """End the answers at work; else leave the question, so that the other keys are heard."""
        if self._child:
            self._give_up()
            self._say(Content.styled("cancelled", "$text-warning"))
        else:
            self.set_focus(self.query_one("#left"))

    @on(QuestionEditor.Asked)
    def _ask(self) -> None:
        self.action_ask()

    @on(Select.Changed)
    def _choose(self) -> None:
        """Other models begin with empty panes; the same ones keep what they said."""
        sides = self._idle_sides()
        if self._child is None and any(sides[name].model != side.model for name, side in self._sides.items()):
            self._sides = sides
            self._show_sides()

    def _start(self, run_id: int, numbers: list[int], question: str) -> None:
        self._give_up()
        rounds = [str(number or "base") for number in numbers]
        options = ("--json", "--run", str(run_id), "--rounds", *rounds)
        try:
            self._child = child = TellingChild(self.app.workspace, question, "answer", "-", *options)
        except CrescentError as error:
            self._say(compare_content.fault(str(error)))
            return
        self._sides = {
            name: replace(side, state="loading" if side.model else "idle")
            for name, side in self._idle_sides().items()
        }
        self.run_worker(lambda: self._follow(child), thread=True, group="answers")
        self._say(
            Content.styled(BUSY, "$text-warning")
            if self.app.sight.engine_is_busy
            else Content.styled("being answered; escape cancels", MUTED)
        )
        self._show_sides()

    def _follow(self, child: TellingChild) -> None:
        """In a thread: pass on what the child says."""
        ended = child.follow(lambda line: self.post_message(LineCame(child, line)))
        self.post_message(ChildEnded(child, ended))

    def on_line_came(self, message: LineCame) -> None:
        """Add it to the side that it is about."""
        if message.child is self._child:
            self._sides = {name: compare_content.told(side, message.line) for name, side in self._sides.items()}
            self._is_stale = True

    def on_child_ended(self, message: ChildEnded) -> None:
        """Say whether the answers are the same, or why there are none."""
        if message.child is not self._child:
            return
        self._child = None
        self._end_sides()
        if message.ended.exit_code:
            reason = message.ended.last_line or f"the models ended with exit code {message.ended.exit_code}"
            self._say(compare_content.fault(reason))
        else:
            self._say(compare_content.verdict(*self._sides.values()))

    def _give_up(self) -> None:
        """End the child, if there is one, without waiting for it here."""
        child, self._child = self._child, None
        if child:
            self.run_worker(child.end, thread=True, group="answers")
            self._end_sides()

    def _end_sides(self) -> None:
        self._sides = {
            name: replace(side, state="ended") if side.state in ("loading", "answering") else side
            for name, side in self._sides.items()
        }
        self._show_sides()

    def _chosen(self) -> dict[str, int | None]:
        """The round of each side; None where nothing can be chosen."""
        values = {name: self.query_one(f"#{name}-model", Select).value for name in self._sides}
        return {name: value if isinstance(value, int) else None for name, value in values.items()}

    def _idle_sides(self) -> dict[str, Side]:
        chosen = self._chosen()
        return {
            name: Side(compare_content.model_name(number) if number is not None else "")
            for name, number in chosen.items()
        }

    def _choices_came(self, standing: Standing | None) -> None:
        """Other models to choose from; what is chosen stays, where it is still there."""
        choices = compare_content.choices(standing)
        if choices == self._choices:
            return
        chosen, self._choices = self._chosen(), choices
        numbers = [number for _, number in choices]
        wanted = {"left": 0, "right": standing.kept if standing else None}
        for name, default in wanted.items():
            select = self.query_one(f"#{name}-model", Select)
            select.set_options(choices)
            value = chosen[name] if chosen[name] in numbers else default
            if value in numbers:
                select.value = value

    def _use(self, question: WatchedQuestion | None) -> None:
        if question:
            editor = self.query_one(QuestionEditor)
            editor.text = printable(question.text)
            editor.border_title = f"Question #{question.question_id}"

    @on(TextArea.Changed)
    def _edited(self) -> None:
        editor = self.query_one(QuestionEditor)
        if editor.has_focus:
            editor.border_title = "Question"

    def _show_what_came(self) -> None:
        if self._is_stale:
            self._show_sides()

    def _show_sides(self) -> None:
        self._is_stale = False
        for name, side in self._sides.items():
            pane = self.query_one(f"#{name}", VerticalScroll)
            follows = pane.scroll_offset.y >= pane.max_scroll_y
            pane.border_title = side.model or "nobody"
            pane.border_subtitle = compare_content.side_measure(side)
            self.query_one(f"#{name}-text", SteadyText).update(compare_content.side_text(side))
            self.query_one(f"#{name}-found", SteadyText).update(compare_content.found(side))
            if follows and side.state in ("answering", "done"):
                pane.scroll_end(animate=False)

    def _say(self, words: Content) -> None:
        self.query_one("#said", SteadyText).update(words)
