"""The SQL screen: read-only queries on the database, their rows, and the views and tables to start from.

Queries have their own reader, so that a long one does not delay the other screens.
"""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import DataTable, TextArea, Tree
from textual.widgets.tree import NodeID, TreeNode

from crescent_lite.printable import printable_line
from crescent_lite.store.querying import Cell, CsvSummary, QueryResult, Relation, quoted
from crescent_lite.store.saved_queries import saved_queries
from crescent_tui.content import sql as sql_content
from crescent_tui.content import sql_words
from crescent_tui.content.colours import MUTED
from crescent_tui.content.row_cells import Order, RowCell, clicked, in_order, stepped
from crescent_tui.screens.cell import CellScreen
from crescent_tui.screens.tab_screen import TabScreen
from crescent_tui.sources.query_history import QueryHistory
from crescent_tui.sources.reader import Reader
from crescent_tui.sources.workspace_snapshot import WorkspaceSnapshot
from crescent_tui.widgets.cached_static import CachedStatic
from crescent_tui.widgets.query_editor import QueryEditor

TICK_SECONDS = 0.5
CURSOR_KEYS = (("j", "cursor_down"), ("k", "cursor_up"))
HISTORY = 20
"""Earlier queries that are listed."""
SIDE_KEYS = (("h", "cursor_left"), ("l", "cursor_right"))


class Catalogue(Tree[str]):
    """The views and tables with their columns. The data of a node is the text that choosing it writes."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding(key, does, show=False) for key, does in CURSOR_KEYS]


class Rows(DataTable[object]):
    """The rows of a result."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key, does, show=False) for key, does in (*CURSOR_KEYS, *SIDE_KEYS)),
        Binding("greater_than_sign", "screen.sort(1)", show=False),
        Binding("less_than_sign", "screen.sort(-1)", show=False),
        Binding("R", "screen.reverse", show=False),
    ]


class SqlScreen(TabScreen):
    """A query and its rows."""

    TAB = "SQL"
    AUTO_FOCUS = "#query"
    CSS = """
    SqlScreen #sql { height: 1fr; }
    SqlScreen #catalogue { width: 24; height: 100%; padding: 0; }
    SqlScreen.-wide #catalogue { width: 34; }
    SqlScreen #query { height: 6; }
    SqlScreen.-tall #query { height: 10; }
    SqlScreen #answer { height: auto; max-height: 5; padding: 0 2; }
    SqlScreen #rows { height: 1fr; overflow-x: auto; scrollbar-size-horizontal: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        # A terminal that cannot send ctrl+enter often sends ctrl+j instead.
        Binding("f5,ctrl+r,ctrl+enter,ctrl+j", "ask", "Run", key_display="F5/^r"),
        Binding("ctrl+s", "save", "Save CSV"),
        Binding("ctrl+up", "earlier", "Earlier", key_display="^↑"),
        Binding("ctrl+down", "later", "Later", show=False),
        Binding("e,i", "edit", "Edit", key_display="e"),
        Binding("escape", "leave", "Cancel/leave"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._reader: Reader | None = None
        self._number = 0
        """The number of the latest query; results of earlier ones are discarded."""
        self._began: float | None = None
        """When the running query started; None if none is running."""
        self._doing = ""
        """'running' or 'saving'."""
        self._asked = ""
        """The query whose rows are shown."""
        self._cells: tuple[tuple[Cell, ...], ...] = ()
        self._columns: tuple[str, ...] = ()
        self._order: Order | None = None
        """The column that the rows are sorted by; None for the order of the query."""
        self._shown: list[int] = []
        """The index of each shown row in the result."""
        self._has_catalogue = False
        self._columns_of: dict[NodeID, tuple[tuple[str, str], ...]] = {}
        """Names and kinds of the columns, by the line of their view or table."""
        self._history_node: TreeNode[str] | None = None

    def body(self) -> ComposeResult:
        catalogue = Catalogue("", id="catalogue", classes="panel")
        catalogue.show_root, catalogue.auto_expand, catalogue.guide_depth = False, False, 2
        catalogue.border_title = "Views, tables, queries"
        query = QueryEditor(id="query", classes="panel", placeholder="SELECT label, share FROM v_labels LIMIT 20")
        query.border_title, query.highlight_cursor_line = "Query (read-only)", False
        with Horizontal(id="sql"):
            yield catalogue
            with Vertical():
                yield query
                yield CachedStatic(id="answer")
                yield Rows(id="rows", classes="panel", cursor_type="cell")

    def on_mount(self) -> None:
        self._history = QueryHistory(self.app.saved_state)
        self._reader = Reader(self.app.workspace, self.app.deliver)
        self.run_worker(self._reader.read, name="queries", thread=True)
        self.set_interval(TICK_SECONDS, self._show_seconds)
        self.query_one(Rows).border_title = "Rows"
        self._say(
            Content.styled(
                "F5 or ctrl+r: run; tab: complete; escape: leave the editor; enter on a view: query", MUTED
            )
        )

    def on_unmount(self) -> None:
        if self._reader:
            self._reader.end()

    def show(self, snapshot: WorkspaceSnapshot) -> None:
        if not self._has_catalogue and snapshot.version:
            self.app.read("catalogue", lambda store: store.querying.fetch_catalogue(), self._show_catalogue)
        elif snapshot.is_loaded and not snapshot.version and not snapshot.error:
            self._say(Content.styled("No database yet; start a run (escape, then s), which creates it.", MUTED))

    def action_ask(self) -> None:
        """Run the query."""
        sql = self.query_one(TextArea).text
        if not sql.strip():
            self._say(Content.styled("No query yet; write one, or choose a view.", MUTED))
            return
        self._history.add(sql)
        self._show_history()
        self.app.note_command("query", sql)
        number, values = self._begin("running"), sql_words.parameters(sql)
        assert self._reader
        self._reader.ask(
            "query",
            lambda store: store.querying.run(sql, values=values),
            lambda result: self._show_rows(number, sql, result),
            lambda reason: self._show_failure(number, reason),
        )

    def action_save(self) -> None:
        """Save all rows of the query as CSV."""
        if not self._asked:
            self._say(Content.styled("Nothing to save yet; run a query first.", MUTED))
            return
        sql, path = self._asked, self.app.workspace.exports / sql_content.csv_name(datetime.now())
        self.app.note_command("query", "--csv", sql)
        number, values = self._begin("saving"), sql_words.parameters(sql)
        assert self._reader
        self._reader.ask(
            "query",
            lambda store: store.querying.save_csv(sql, path, values=values),
            lambda written: self._show_saved(number, path, written),
            lambda reason: self._show_failure(number, reason),
        )

    def action_leave(self) -> None:
        """Cancel a running query, or leave the editor so that the other keys work."""
        if self._began is not None:
            assert self._reader
            self._reader.drop("query")
            seconds = time.monotonic() - self._began
            self._end()
            self._say(Content.styled(f"cancelled after {seconds:.0f} s", "$text-warning"))
        elif isinstance(self.focused, TextArea):
            rows = self.query_one(Rows)
            self.set_focus(rows if rows.row_count else self.query_one(Catalogue))

    def action_edit(self) -> None:
        """Edit the query."""
        self.set_focus(self.query_one(TextArea))

    def action_earlier(self) -> None:
        """Show the previous query."""
        self._write(self._history.earlier(self.query_one(TextArea).text))

    def action_later(self) -> None:
        """Show the next query."""
        self._write(self._history.later())

    @on(Tree.NodeSelected)
    def _choose(self, event: Tree.NodeSelected[str]) -> None:
        """Start a query on a view, take a saved or an earlier one, or insert a column at the cursor."""
        if event.node.data is None:
            return
        if event.node.parent is None or event.node.allow_expand or event.node.parent.data is None:
            self._write(event.node.data)
        else:
            self.query_one(TextArea).insert(event.node.data)

    @on(DataTable.CellSelected)
    def _open_cell(self, event: DataTable.CellSelected) -> None:
        row, column = event.coordinate
        if row < len(self._shown):
            cell = self._cells[self._shown[row]][column]
            self.app.push_screen(CellScreen(self._columns[column], "NULL" if cell is None else str(cell)))

    def _write(self, text: str | None) -> None:
        """Replace the text in the editor; ctrl+z restores the previous one."""
        if text is not None:
            editor = self.query_one(TextArea)
            editor.replace(text, editor.document.start, editor.document.end)
            editor.move_cursor(editor.document.end)

    def run_query(self, sql: str) -> None:
        """Show a query in the editor and run it."""
        self._write(sql)
        self.action_ask()

    def action_sort(self, step: int) -> None:
        """Sort the rows by another column."""
        self._order = stepped(self._order, step, len(self._columns))
        self._fill_rows()

    def action_reverse(self) -> None:
        """Reverse the order of the rows."""
        if self._order:
            self._order = Order(self._order.column, not self._order.descending)
            self._fill_rows()

    @on(DataTable.HeaderSelected)
    def _sort_by_heading(self, event: DataTable.HeaderSelected) -> None:
        self._order = clicked(self._order, event.column_index)
        self._fill_rows()

    @on(QueryEditor.Completing)
    def _show_completions(self, event: QueryEditor.Completing) -> None:
        """Name the ways in which a word may go on, unless a query is running."""
        if self._began is None and event.ways and self.query_one(QueryEditor).has_focus:
            self._say(sql_content.completions_line(event.ways))

    def _show_catalogue(self, catalogue: tuple[Relation, ...]) -> None:
        tree = self.query_one(Catalogue)
        self._has_catalogue, self.query_one(QueryEditor).catalogue = True, catalogue
        tree.clear()
        for relation in (each for each in catalogue if each.kind == "view"):
            self._add_relation(tree, relation)
        saved: TreeNode[str] = tree.root.add(sql_content.group_label("Saved queries"))
        for query in saved_queries():
            saved.add(sql_content.query_label(query.name), query.sql, allow_expand=False)
        self._history_node = tree.root.add(sql_content.group_label("History"))
        for relation in (each for each in catalogue if each.kind != "view"):
            self._add_relation(tree, relation)
        self._show_history()
        tree.cursor_line = 0

    def _show_history(self) -> None:
        """List the latest queries below the views."""
        if self._history_node:
            self._history_node.remove_children()
            for text in self._history.latest(HISTORY):
                self._history_node.add(sql_content.query_label(text), text, allow_expand=False)

    def _add_relation(self, tree: Catalogue, relation: Relation) -> None:
        node: TreeNode[str] = tree.root.add(sql_content.relation_label(relation), relation.query)
        self._columns_of[node.id] = relation.columns

    @on(Tree.NodeExpanded)
    def _show_columns(self, event: Tree.NodeExpanded[str]) -> None:
        """Add the columns when they are first looked at: hundreds of lines would delay the screen."""
        if not event.node.children:
            for name, kind in self._columns_of.get(event.node.id, ()):
                event.node.add_leaf(sql_content.column_label(name, kind), quoted(name))

    def _show_rows(self, number: int, sql: str, result: QueryResult) -> None:
        if number != self._number:
            return
        self._end()
        self._asked, self._cells, self._columns, self._order = sql, result.rows, result.columns, None
        self._fill_rows()
        self._say(sql_content.outcome(result))

    def _fill_rows(self) -> None:
        """Show the rows of the result in the order that was chosen."""
        names = [sql_content.shown_name(name, index, self._order) for index, name in enumerate(self._columns)]
        self._shown = list(range(len(self._cells)))
        if self._order:
            self._shown = in_order(self._shown, self._order, self._cell)
        rows = [[sql_content.shown_cell(cell) for cell in self._cells[index]] for index in self._shown]
        table = self.query_one(Rows)
        table.clear(columns=True)
        for name, width in zip(names, sql_content.column_widths(names, rows), strict=True):
            table.add_column(name, width=width)
        table.add_rows(rows)

    def _cell(self, row: int, column: int) -> RowCell:
        """A cell of the result as a value to sort by."""
        cell = self._cells[row][column]
        return RowCell(cell or "") if cell is None or isinstance(cell, str) else RowCell("", value=float(cell))

    def _show_failure(self, number: int, reason: str) -> None:
        if number == self._number:
            self._end()
            editor = self.query_one(QueryEditor)
            hint = sql_words.did_you_mean(reason, editor.text, editor.catalogue)
            said = self.app.relative(reason)
            self._say(sql_content.error_line(f"{said}; {hint}" if hint else said))

    def _show_saved(self, number: int, path: Path, written: CsvSummary) -> None:
        if number == self._number:
            self._end()
            self._say(
                Content(f"{written.rows:,} rows saved, {written.seconds:.2f} s: {printable_line(str(path), 500)}")
            )

    def _begin(self, doing: str) -> int:
        self._number += 1
        self._began, self._doing = time.monotonic(), doing
        self._show_seconds()
        return self._number

    def _end(self) -> None:
        self._number += 1
        self._began = None

    def _show_seconds(self) -> None:
        if self._began is not None:
            self._say(sql_content.running_line(self._doing, time.monotonic() - self._began))

    def _say(self, words: Content) -> None:
        self.query_one("#answer", CachedStatic).update(words)
