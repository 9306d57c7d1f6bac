"""An editor for SQL: coloured, and with the names of the database to complete a word by tab.

Knows no database: its owner sets the catalogue. Example:
    editor.catalogue = store.querying.fetch_catalogue()
"""

from __future__ import annotations

from rich.style import Style
from textual.events import Key
from textual.message import Message
from textual.widgets import TextArea
from textual.widgets.text_area import TextAreaTheme

from crescent_lite.store.querying import Relation
from crescent_tui.content.sql_words import coloured, completions, word_before

KEYS_OF_THE_APP = "123456789?"
"""No query begins with one of these."""
COLOURS = {"keyword": "text-primary", "string": "text-success", "number": "text-accent", "function": "text-secondary",
           "comment": "muted"}  # fmt: skip
"""The variable of the theme for each kind of word."""


class QueryEditor(TextArea):
    """The editor of the query. While it is empty, the keys of the tabs and of the help work in it."""

    catalogue: tuple[Relation, ...] = ()
    """The tables and views with their columns."""

    class Completing(Message):
        """The unfinished word may go on in these ways; none if there is no such word."""

        def __init__(self, ways: tuple[str, ...]) -> None:
            super().__init__()
            self.ways = ways

    def on_mount(self) -> None:
        self.watch(self.app, "theme", self._take_colours)

    def _take_colours(self) -> None:
        variables = self.app.theme_variables
        styles = {
            name: Style(color=variables[variable], bold=name == "keyword")
            for name, variable in COLOURS.items()
            if variables.get(variable, "").startswith("#")
        }
        self.register_theme(TextAreaTheme("crescent", syntax_styles=styles))
        self.theme = "css"  # so that the colours of the new theme are taken although its name is the same
        self.theme = "crescent"

    def _build_highlight_map(self) -> None:
        """Colour the words by what they are. (Textual does this with tree-sitter, which is not installed.)"""
        self._line_cache.clear()
        self._highlights.clear()
        for number, words in enumerate(coloured(self.text)):
            self._highlights[number].extend(words)

    def update_suggestion(self) -> None:
        """Show how the word before the cursor may go on."""
        row, column = self.cursor_location
        line = self.document.get_line(row)
        word = word_before(line, column) if column == len(line) else ""
        ways = completions(self.text, word, self.catalogue)
        self.suggestion = ways[0][len(word) :] if ways else ""
        self.post_message(self.Completing(tuple(ways)))

    async def _on_key(self, event: Key) -> None:
        if event.key == "tab" and self.suggestion:
            self._complete()
            event.stop()
            event.prevent_default()  # keeps Textual from moving the focus
        elif not self.text and event.character and event.character in KEYS_OF_THE_APP:
            event.prevent_default()  # keeps Textual from calling the editor's own handler too

    def _complete(self) -> None:
        """Write the suggested word, in its own letters."""
        row, column = self.cursor_location
        word = word_before(self.document.get_line(row), column)
        ways = completions(self.text, word, self.catalogue)
        if ways:
            self.replace(ways[0], (row, column - len(word)), (row, column))

    def check_consume_key(self, key: str, character: str | None = None) -> bool:
        """Whether the editor takes this key as text."""
        if not self.text and character and character in KEYS_OF_THE_APP:
            return False
        return super().check_consume_key(key, character)
