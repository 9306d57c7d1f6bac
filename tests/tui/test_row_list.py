"""A list of any length: its cursor, the cells that it requests, and how its rows are drawn."""

from __future__ import annotations

from array import array
from typing import ClassVar

import pytest
from rich.cells import cell_len
from sample_workspace import shown
from textual import on
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from crescent_tui.content.colours import readable
from crescent_tui.content.row_cells import RowCell, RowColumn
from crescent_tui.widgets.row_list import RowList

pytestmark = pytest.mark.asyncio
COLUMNS = (RowColumn("id", 6, right=True), RowColumn("word", 8), RowColumn("text", 0))
HEIGHT = 12
ROWS = HEIGHT - 3
"""Rows in view, without the border and the header."""


class ListApp(App[None]):
    """An app with one list, whose rows show their key."""

    def get_css_variables(self) -> dict[str, str]:
        return readable(super().get_css_variables())

    def __init__(self, keys: int, text: str = "") -> None:
        super().__init__()
        self.keys, self.text = array("q", range(keys, 0, -1)), text
        self.asked: list[tuple[int, ...]] = []
        self.highlighted: list[int] = []
        self.chosen: list[int] = []

    @property
    def rows(self) -> RowList:
        return self.query_one(RowList)

    def compose(self) -> ComposeResult:
        rows = RowList(COLUMNS)
        rows.styles.border = ("round", "white")
        yield rows

    def on_mount(self) -> None:
        self.rows.set_keys(self.keys)
        self.rows.focus()

    def arrive(self, count: int, **how: bool) -> None:
        """Add this many rows above the others."""
        newest = self.rows.keys[0]
        self.rows.set_keys(array("q", [*range(newest + count, newest, -1), *self.rows.keys]), **how)

    @on(RowList.CellsNeeded)
    def hand_over(self, event: RowList.CellsNeeded) -> None:
        self.asked.append(event.keys)
        event.row_list.set_cells({key: self.cells_of(key) for key in event.keys})

    def cells_of(self, key: int) -> tuple[RowCell, ...]:
        return (RowCell(str(key)), RowCell("w"), RowCell(self.text or f"row {key}"))

    @on(RowList.Highlighted)
    def look_at(self, event: RowList.Highlighted) -> None:
        (self.chosen if isinstance(event, RowList.Chosen) else self.highlighted).append(event.key)


def ascii_start(text: str | int) -> str:
    return ascii(text)[:12]


def in_view(app: ListApp) -> list[int]:
    """The keys on the screen, from the top."""
    words = [line.strip("│ ").split() for line in shown(app).splitlines()[2 : HEIGHT - 1]]
    return [int(line[0]) for line in words if line]


class SortedApp(ListApp):
    """A list with numbers, sizes and texts, one of them missing."""

    ROWS: ClassVar = {1: ("12%", 3e6, "pear"), 2: ("9%", 2e9, "Apple"), 3: ("", 5e3, "fig"), 4: ("−3%", 1.0, "kiwi")}

    def __init__(self) -> None:
        super().__init__(0)
        self.keys = array("q", [1, 2, 3, 4])

    def cells_of(self, key: int) -> tuple[RowCell, ...]:
        share, size, word = self.ROWS[key]
        return (RowCell(share), RowCell(f"{size:g} B", value=size), RowCell(word))


async def settled(pilot: Pilot[None]) -> None:
    await pilot.pause()
    await pilot.pause()


async def test_two_hundred_thousand_rows_are_asked_for_a_screenful_at_a_time() -> None:
    app = ListApp(200_000)
    async with app.run_test(size=(60, HEIGHT)) as pilot:
        await pilot.press("end", "pageup", "home", "G")
        await settled(pilot)
        assert app.rows.cursor == 199_999
        assert in_view(app) == list(range(ROWS, 0, -1))
        assert max(len(keys) for keys in app.asked) < 100
        assert sum(len(keys) for keys in app.asked) < 300


@pytest.mark.slow
async def test_the_keys_move_by_a_row_a_page_and_to_both_ends() -> None:
    app = ListApp(100)
    async with app.run_test(size=(60, HEIGHT)) as pilot:
        at = []
        for key in (
            "j",
            "down",
            "k",
            "up",
            "pagedown",
            "ctrl+d",
            "pageup",
            "ctrl+u",
            "end",
            "j",
            "home",
            "k",
            "G",
            "g",
        ):
            await pilot.press(key)
            at.append(app.rows.cursor)
        page = ROWS - 1
        assert at == [1, 2, 1, 0, page, 2 * page, page, 0, 99, 99, 0, 0, 99, 0]


async def test_the_cursor_is_always_in_view_however_fast_it_is_moved() -> None:
    app = ListApp(100)
    async with app.run_test(size=(60, HEIGHT)) as pilot:
        for step in (ROWS, 1, -1, -ROWS, 40, -3, 3, -40):
            app.rows.action_move(step)
            top = round(app.rows.scroll_y)
            assert top <= app.rows.cursor < top + ROWS
        await settled(pilot)
        assert app.rows.key in in_view(app)


@pytest.mark.slow
async def test_rows_that_arrive_above_move_neither_the_row_nor_the_view() -> None:
    app = ListApp(100)
    async with app.run_test(size=(60, HEIGHT)) as pilot:
        await pilot.press(*["j"] * 20, "k", "k")
        before, key = in_view(app), app.rows.key
        app.arrive(7)
        await settled(pilot)
        assert (in_view(app), app.rows.key, app.rows.cursor) == (before, key, 25)


async def test_a_cursor_on_the_newest_row_follows_it_unless_told_not_to() -> None:
    app = ListApp(100)
    async with app.run_test(size=(60, HEIGHT)) as pilot:
        app.arrive(3)
        await settled(pilot)
        assert (app.rows.key, app.highlighted[-1]) == (103, 103)
        app.arrive(3, follow=False)
        await settled(pilot)
        assert (app.rows.key, app.rows.cursor, in_view(app)[0]) == (103, 3, 103)


async def test_a_view_scrolled_away_from_the_newest_row_stays() -> None:
    app = ListApp(100)
    async with app.run_test(size=(60, HEIGHT)) as pilot:
        app.rows.scroll_to(y=30, animate=False, immediate=True)
        await settled(pilot)
        before = in_view(app)
        app.arrive(5)
        await settled(pilot)
        assert (in_view(app), app.rows.key) == (before, 100)


async def test_when_its_row_is_removed_the_cursor_keeps_its_position() -> None:
    app = ListApp(100)
    async with app.run_test(size=(60, HEIGHT)) as pilot:
        app.rows.move_to_key(60)
        app.rows.set_keys(array("q", [key for key in app.keys if key != 60]))
        await settled(pilot)
        assert app.rows.key == 59
        app.rows.set_keys(array("q", [3, 2]))
        assert app.rows.key == 2
        app.rows.set_keys(array("q", [9, 3, 2]), stay=False)
        assert app.rows.key == 9


async def test_an_empty_list_says_so_and_accepts_every_key() -> None:
    app = ListApp(0)
    async with app.run_test(size=(60, HEIGHT)) as pilot:
        app.rows.placeholder = "Nothing here."
        await pilot.press("j", "k", "pagedown", "pageup", "home", "end", "enter")
        await settled(pilot)
        assert "Nothing here." in shown(app)
        assert (app.rows.key, app.asked, app.chosen) == (None, [], [])


async def test_a_click_chooses_the_row_under_the_mouse_and_a_double_click_opens_it() -> None:
    app = ListApp(100)
    async with app.run_test(size=(60, HEIGHT)) as pilot:
        await pilot.click(RowList, offset=(5, 2 + 3))
        assert (app.rows.key, app.chosen) == (97, [])
        await pilot.click(RowList, offset=(5, 2 + 4), times=2)
        assert app.chosen == [96]


async def test_a_smaller_terminal_keeps_the_cursor_in_view() -> None:
    app = ListApp(100)
    async with app.run_test(size=(60, HEIGHT)) as pilot:
        await pilot.press(*["j"] * (ROWS - 1))
        await pilot.resize_terminal(60, HEIGHT - 4)
        await settled(pilot)
        assert str(app.rows.key) in shown(app)


def order_shown(app: ListApp) -> list[int]:
    """The keys from the top, found by the cursor."""
    found = []
    for position in range(len(app.rows.keys)):
        app.rows.move_to(position)
        found.append(app.rows.key or 0)
    return found


async def test_a_list_is_sorted_by_any_column_with_a_key_and_rows_without_a_value_come_last() -> None:
    app = SortedApp()
    async with app.run_test(size=(60, HEIGHT)) as pilot:
        app.rows.move_to_key(3)
        for key, order in (
            (">", [4, 2, 1, 3]), ("R", [1, 2, 4, 3]), (">", [2, 1, 3, 4]), (">", [1, 4, 3, 2]), (">", [1, 2, 3, 4]),
            ("<", [2, 3, 4, 1]),
        ):  # fmt: skip
            await pilot.press(key)
            await settled(pilot)
            assert order_shown(app) == order, key
            app.rows.move_to_key(3)
        assert app.rows.keys == array("q", [1, 2, 3, 4])


async def test_a_click_on_a_heading_sorts_by_its_column_then_reverses_then_restores() -> None:
    app = SortedApp()
    async with app.run_test(size=(60, HEIGHT)) as pilot:
        app.rows.move_to_key(3)
        for order, arrow in (([2, 3, 4, 1], "▲"), ([1, 4, 3, 2], "▼"), ([1, 2, 3, 4], "")):
            await pilot.click(RowList, offset=(30, 1))
            await settled(pilot)
            assert app.rows.key == 3, "the cursor stays on its row"
            assert (arrow or "text") in shown(app).splitlines()[1]
            assert order_shown(app) == order
            app.rows.move_to_key(3)


async def test_new_rows_find_their_place_in_a_sorted_list() -> None:
    app = SortedApp()
    async with app.run_test(size=(60, HEIGHT)) as pilot:
        await pilot.press("<")
        app.rows.set_keys(array("q", [1, 2]))
        app.rows.set_keys(array("q", [1, 2, 4]))
        await settled(pilot)
        assert order_shown(app) == [2, 4, 1]


@pytest.mark.parametrize(
    "text",
    ["漢" * 100, "a" + "漢" * 100, "e" + "́" * 5000, "[red]x[/red]", "\x1b[2J\t\n \u202ex", ""],
    ids=ascii_start,
)
@pytest.mark.parametrize("width", [60, 41, 24])
async def test_every_line_is_as_wide_as_the_list_whatever_is_in_it(text: str, width: int) -> None:
    app = ListApp(3, text)
    async with app.run_test(size=(width, HEIGHT)) as pilot:
        await settled(pilot)
        lines = shown(app).splitlines()
        assert [cell_len(line) for line in lines] == [width] * HEIGHT
        assert not any(ord(c) < 32 for line in lines for c in line)
