"""The Compare screen: two models of the run answer one question live, one after the other.

The models run in a child process, which ends after the answers, on escape, on the next question, or with the app.
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
from crescent_tui.screens.tab_screen import TabScreen
from crescent_tui.sources.child_process import CommandResult, StreamingCommand
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot
from crescent_tui.widgets.cached_static import CachedStatic

SHOW_SECONDS = 0.1
"""Time between two updates of a growing text."""
VOTES = (1, 8)
"""Votes to choose from; with more than one the answer of a model is its majority."""
HINT = "enter or ctrl+r: ask both; u: use the selected question"
BUSY = "A run is in progress; it shares memory and processor with these models, so both are slower."


class QuestionEditor(TextArea):
    """An editor for the question; enter asks it."""

    class Asked(Message):
        """The user has pressed enter."""

    async def _on_key(self, event: Key) -> None:
        # prevent_default keeps Textual from calling the editor's own handler too.
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Asked())


class LineReceived(Message):
    """The child process has printed a line."""

    def __init__(self, child: StreamingCommand, line: str) -> None:
        super().__init__()
        self.child, self.line = child, line


class CommandEnded(Message):
    """The child process has ended."""

    def __init__(self, child: StreamingCommand, result: CommandResult) -> None:
        super().__init__()
        self.child, self.result = child, result


class CompareScreen(TabScreen):
    """One question, asked to two models."""

    TAB = "Compare"
    AUTO_FOCUS = "#left"
    CSS = """
    CompareScreen #asked { height: 4; }
    CompareScreen.-tall #asked { height: 6; }
    CompareScreen #models { height: 1; padding: 0 1; }
    CompareScreen #models Label { width: auto; padding: 0 1; color: $muted; }
    CompareScreen #models Select { width: 1fr; }
    CompareScreen #models #votes { width: 11; }
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
        Binding("escape", "leave", "Cancel/leave"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._child: StreamingCommand | None = None
        self._sides = {"left": Side(""), "right": Side("")}
        self._choices: tuple[tuple[str, int], ...] = ()
        self._read_at: tuple[int, int] | None = None
        """The run and the version of the database that the choices were read from."""
        self._is_stale = False
        """Whether text has arrived that the panes do not show yet."""

    def body(self) -> ComposeResult:
        question = QuestionEditor(id="asked", classes="panel")
        question.placeholder = "Write a question here, or press u to use the selected one"
        question.border_title, question.highlight_cursor_line = "Question", False
        yield question
        with Horizontal(id="models"):
            for side in self._sides:
                yield Label(side)
                yield Select[int]([], prompt="no model yet", id=f"{side}-model", compact=True)
            yield Label("votes")
            yield Select[int]([(str(votes), votes) for votes in VOTES], allow_blank=False, id="votes", compact=True)
        yield CachedStatic(id="said")
        with Container(id="panes"):
            for side in self._sides:
                with VerticalScroll(id=side, classes="panel"):
                    yield CachedStatic(id=f"{side}-text")
                    yield CachedStatic(id=f"{side}-found", classes="found")

    def on_mount(self) -> None:
        self.set_interval(SHOW_SECONDS, self._show_new_text)
        self._say(Content.styled(HINT, MUTED))
        self._show_sides()

    def on_unmount(self) -> None:
        if self._child:
            self._child.end()

    def show(self, snapshot: WorkspaceSnapshot) -> None:
        if snapshot.run is None:
            if snapshot.is_loaded and not snapshot.error:
                self._set_choices(None)
                self._say(
                    Content.styled("No run yet; press s to start one. Its models can then be asked here.", MUTED)
                )
            return
        run_id = snapshot.run.run_id
        if self._read_at != (run_id, snapshot.version):
            self._read_at = (run_id, snapshot.version)
            self.app.read("models to compare", lambda store: store.fetch_standing(run_id), self._set_choices)

    def action_ask(self) -> None:
        """Ask both models; a question that is being answered is cancelled."""
        run, question = self.app.snapshot.run, self.query_one(QuestionEditor).text
        numbers = [value for value in self._chosen().values() if value is not None]
        if run is None or not numbers:
            self._say(Content.styled("No model to ask yet; press s to start a run.", "$text-warning"))
        elif not question.strip():
            self._say(
                Content.styled(
                    "No question yet; press e to write one, or u to use the selected one.", "$text-warning"
                )
            )
        elif len(set(numbers)) < len(numbers):
            self._say(Content.styled("Both sides are the same model; choose two different ones.", "$text-warning"))
        else:
            self._start(run.run_id, numbers, question)

    def action_use_question(self) -> None:
        """Use the question selected on the other screens."""
        number = self.app.question_id
        if number is None:
            self._say(Content.styled("No question selected; choose one on the Questions screen.", "$text-warning"))
        else:
            self.app.read("question to compare", lambda store: store.watching.fetch_question(number), self._use)

    def action_edit(self) -> None:
        """Edit the question."""
        self.set_focus(self.query_one(QuestionEditor))

    def action_leave(self) -> None:
        """Cancel the answers, or leave the editor so that the other keys work."""
        if self._child:
            self._cancel()
            self._say(Content.styled("cancelled", "$text-warning"))
        else:
            self.set_focus(self.query_one("#left"))

    @on(QuestionEditor.Asked)
    def _ask(self) -> None:
        self.action_ask()

    @on(Select.Changed)
    def _choose(self) -> None:
        """Clear the panes if other models are chosen; the same models keep their answers."""
        sides = self._idle_sides()
        if self._child is None and any(sides[name].model != side.model for name, side in self._sides.items()):
            self._sides = sides
            self._show_sides()

    def _start(self, run_id: int, numbers: list[int], question: str) -> None:
        self._cancel()
        rounds = [str(number or "base") for number in numbers]
        votes = self.query_one("#votes", Select).value
        options = ("--json", "--run", str(run_id), "--votes", str(votes), "--rounds", *rounds)
        try:
            self._child = child = StreamingCommand(self.app.workspace, question, "answer", "-", *options)
        except CrescentError as error:
            self._say(compare_content.error_line(self.app.relative(str(error))))
            return
        self.app.note_command("answer", *options[1:], "--", question)
        self._sides = {
            name: replace(side, state="loading" if side.model else "idle")
            for name, side in self._idle_sides().items()
        }
        self.run_worker(lambda: self._follow(child), thread=True, group="answers")
        self._say(
            Content.styled(BUSY, "$text-warning")
            if self.app.snapshot.engine_is_busy
            else Content.styled("answering; escape cancels", MUTED)
        )
        self._show_sides()

    def _follow(self, child: StreamingCommand) -> None:
        """In a separate thread: pass on the lines of the child process."""
        result = child.follow(lambda line: self.post_message(LineReceived(child, line)))
        self.post_message(CommandEnded(child, result))

    def on_line_received(self, message: LineReceived) -> None:
        """Add the line to the side that it belongs to."""
        if message.child is self._child:
            self._sides = {name: compare_content.after_line(side, message.line) for name, side in self._sides.items()}
            self._is_stale = True

    def on_command_ended(self, message: CommandEnded) -> None:
        """Show whether the answers are the same, or why there are none."""
        if message.child is not self._child:
            return
        self._child = None
        self._end_sides()
        if message.result.exit_code:
            reason = message.result.last_line or f"the models ended with exit code {message.result.exit_code}"
            self._say(compare_content.error_line(self.app.relative(reason)))
        else:
            self._say(compare_content.comparison_line(*self._sides.values()))

    def _cancel(self) -> None:
        """End the child process, if there is one, without blocking the app."""
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
        """The round chosen on each side; None if there is no model to choose."""
        values = {name: self.query_one(f"#{name}-model", Select).value for name in self._sides}
        return {name: value if isinstance(value, int) else None for name, value in values.items()}

    def _idle_sides(self) -> dict[str, Side]:
        chosen = self._chosen()
        return {
            name: Side(compare_content.model_name(number) if number is not None else "")
            for name, number in chosen.items()
        }

    def _set_choices(self, standing: Standing | None) -> None:
        """Set the models to choose from; chosen models stay chosen if they still exist."""
        choices = compare_content.model_choices(standing)
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

    def _show_new_text(self) -> None:
        if self._is_stale:
            self._show_sides()

    def _show_sides(self) -> None:
        self._is_stale = False
        for name, side in self._sides.items():
            pane = self.query_one(f"#{name}", VerticalScroll)
            follows = pane.scroll_offset.y >= pane.max_scroll_y
            pane.border_title = side.model or "no model"
            pane.border_subtitle = compare_content.side_stats(side)
            self.query_one(f"#{name}-text", CachedStatic).update(compare_content.side_text(side))
            self.query_one(f"#{name}-found", CachedStatic).update(compare_content.answer_line(side))
            if follows and side.state in ("answering", "done"):
                pane.scroll_end(animate=False)

    def _say(self, words: Content) -> None:
        self.query_one("#said", CachedStatic).update(words)
