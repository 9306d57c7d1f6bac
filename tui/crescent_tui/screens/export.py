"""The choice of a form in which to export a round.

Example: app.push_screen(ExportScreen(run_id=3, round_number=2), then)   # then(("gguf", "q8_0")), or None
"""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from crescent_tui.content.colours import MUTED
from crescent_tui.content.columns import cell

Export = tuple[str, str | None]
"""The form of the export and, for a GGUF, the type of its weights: arguments of `crescent export`."""
CHOICES: tuple[tuple[Export, str, str], ...] = (
    (("adapter", None), "adapter", "only the adapter, as GGUF and for PEFT"),
    (("gguf", "f16"), "one GGUF, f16", "merged; keeps all of the adapter"),
    (("gguf", "same"), "one GGUF, same", "merged; each weight has the type it has in the base"),
    (("gguf", "q8_0"), "one GGUF, q8_0", "merged; half as large as f16"),
    (("gguf", "q6_k"), "one GGUF, q6_k", "merged"),
    (("gguf", "q5_k_m"), "one GGUF, q5_k_m", "merged"),
    (("gguf", "q4_k_m"), "one GGUF, q4_k_m", "merged; fewer bits keep less of the adapter"),
    (("gguf", "iq4_nl"), "one GGUF, iq4_nl", "merged; four bits for models with odd widths"),
    (("gguf", "q4_0"), "one GGUF, q4_0", "merged; the fewest bits"),
    (("gguf", "bf16"), "one GGUF, bf16", "merged"),
    (("gguf", "f32"), "one GGUF, f32", "merged; twice as large as f16"),
    (("folder", None), "folder", "merged, for transformers"),
    (("examples", None), "examples", "all examples of the run, as JSON lines"),
)


class ExportScreen(ModalScreen[Export | None]):
    """The choice of an export, shown over the Models screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,e,q", "dismiss", "Close"),
        Binding("j", "move('down')", show=False),
        Binding("k", "move('up')", show=False),
    ]
    CSS = """
    ExportScreen { align: center middle; background: $background 60%; }
    #exports { width: 76; max-width: 100%; height: auto; max-height: 100%; border: round $key; padding: 1 2; }
    """

    def __init__(self, run_id: int, round_number: int) -> None:
        super().__init__()
        self._run_id, self._round = run_id, round_number

    def compose(self) -> ComposeResult:
        options = [
            Option(Content.assemble((cell(name, 18), "bold"), (words, MUTED)), id=str(index))
            for index, (_, name, words) in enumerate(CHOICES)
        ]
        choices = OptionList(*options, id="exports")
        choices.border_title = f"Export run {self._run_id}, round {self._round}"
        choices.border_subtitle = "enter exports, escape closes"
        yield choices

    @on(OptionList.OptionSelected)
    def choose(self, event: OptionList.OptionSelected) -> None:
        """Return the selected form."""
        self.dismiss(CHOICES[int(event.option_id or 0)][0])

    def action_move(self, direction: str) -> None:
        """Move with vim's keys."""
        choices = self.query_one(OptionList)
        choices.action_cursor_down() if direction == "down" else choices.action_cursor_up()
