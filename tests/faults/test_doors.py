"""2,000 hostile texts in every column that holds text, through every door that shows or writes it."""

from __future__ import annotations

import csv
import html.parser
import json
import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from bed import OBEYED, TRACEBACK, count, source
from markdown_it import MarkdownIt
from sample_run import load_sample_run
from terminal import Terminal

from crescent_lite.export.card import BaseFacts, card_text
from crescent_lite.export.examples import Choice, write_examples
from crescent_lite.printable import FORMULA_STARTS, spreadsheet_text
from crescent_lite.report import build_document, document_html, document_markdown
from crescent_lite.store import Store
from crescent_lite.trackers import points
from crescent_lite.workspace import Workspace

pytestmark = pytest.mark.slow

COUNT = 2000
PIECES = (
    "\x1b]52;c;aGFjaw==\x07", "\x1b]0;title\x07", "\x1b[2J", "\x1b[31m", "\x1bc", "\x1bP+q544e\x1b\\", "\x9b31m",
    "\x9d52;c;aGk=\x9c", "\x85", "\x07", "\x08\x08", "\x7f", "\r", "\n", "\n\n---\n", "\t", "\x0b\x0c\x0e",
    "[/]", "[bold", "[link=file:///x]y[/link]", "[@click=app.quit]q[/]", "\u202e", "\u2066\u2069", "\u200b\ufeff",
    "\U000e0041", "\u2028", "\ufffe", "\u0301" * 60, "<script>alert(1)</script>", "<img src=x onerror=alert(1)>",
    "</td></table><iframe src=//evil.example>", "javascript:alert(1)", "[x](javascript:alert(1))",
    "![x](https://evil.example/x.png)", "https://evil.example/?q=1", "<https://evil.example>", "&lt;b&gt;",
    "=HYPERLINK(\"https://evil.example\")", "@SUM(1)", "+1+cmd|' /C calc'!A0", "-2+3",
    "--- !!python/object:os.system x",
    "\r=1+1",
    "$$\\href{javascript:alert(1)}{x}$$", "\\input{/etc/passwd}", "```", "````", "|", "# ", "](",
    "{{ 7*7 }}", "{% x %}",
    "]]>", "<!--", "' OR 1=1 --", "%s", "${HOME}", "`id`", "../../etc/passwd", "12 + 7 = 19?", "plain words", "漢字",
)  # fmt: skip
COLUMNS = {
    "questions": ("text", "raw_text", "reason"), "votes": ("text", "answer_raw", "answer_key"),
    "consensus": ("answer_key", "reason"), "models": ("name", "source"), "runs": ("reason",),
    "benchmarks": ("name",), "benchmark_items": ("question",), "evaluated_items": ("text",), "prompts": ("name",),
    "rounds": ("outcome", "asking_stopped"), "notes": ("text",), "alarms": ("words",),
}  # fmt: skip
"""Columns whose text a model, a user or a file decides, by table."""


def hostile_text(chance: random.Random) -> str:
    """A few pieces in a row; one text in three hundred has a hundred thousand characters."""
    text = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 6)))
    return text * (1 + 100_000 // len(text)) if chance.random() < 1 / 300 else text


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A real run, every text of which was replaced."""
    workspace, chance = load_sample_run(tmp_path_factory.mktemp("doors") / "data"), source("doors")
    texts = [hostile_text(chance) for _ in range(COUNT)]
    placed = 0
    with closing(sqlite3.connect(workspace.database_path)) as database, database:
        database.execute("PRAGMA ignore_check_constraints = ON")
        for table, columns in COLUMNS.items():
            known = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
            for column in [each for each in columns if each in known]:
                for (row_id,) in database.execute(f"SELECT rowid FROM {table}").fetchall():
                    database.execute(
                        f"UPDATE {table} SET {column} = ? WHERE rowid = ? AND {column} IS NOT NULL",
                        [f"{texts[placed % COUNT]} {placed}", row_id],
                    )
                    placed += 1
    assert placed > COUNT
    count("hostile texts in the database", placed)
    with (workspace.logs / "run-1.jsonl").open("a", encoding="utf-8") as log:
        for text in texts:
            log.write(json.dumps({"at": text[:40], "event": text[:80], "words": text[:1000]}) + "\n")
    return workspace


DOORS = (
    ("status",), ("runs",), ("runs", "--full"), ("show", "question", "1"), ("show", "question", "9", "--full"),
    ("show", "round", "1"), ("show", "run", "1"), ("why",), ("report", "--full"), ("compare", "1", "1"), ("models",),
    ("query", "SELECT text FROM questions", "--limit", "2000", "--full"), ("query", "SELECT * FROM v_scores"),
    ("query", "SELECT * FROM v_votes", "--full"), ("query", "SELECT text, answer_raw FROM votes", "--csv"),
    ("query", "SELECT * FROM v_questions"), ("query", "SELECT name, source FROM models"),
    ("export", "examples", "--output", "\x1b[2J.jsonl", "--force"),
    ("eval", "--set", "model.source=\x1b]0;x\x07.gguf"),
    ("run", "--preset", "\x1b[31m"), ("note", "1", "\x1b[2J\u202e"), ("query", "SELECT '\x1b[2J' AS \"\x9b31m\""),
    ("show", "\x1b[2J"), ("\x1b[2J",), ("query", "SELECT \x1b[2J"), ("log", "--to", "\x1b[2J"),
)  # fmt: skip


@pytest.mark.parametrize("door", DOORS, ids=lambda door: " ".join(door).encode("unicode_escape").decode()[:40])
def test_no_command_sends_a_control_to_a_terminal(hostile: Workspace, door: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "crescent_lite.cli", door[0], "-w", str(hostile.folder), *door[1:]]
    with Terminal(
        command, columns=150, folder=hostile.folder, environment={"TERM": "dumb", "NO_COLOR": "1"}
    ) as terminal:
        terminal.process.wait(120)
        terminal.settle()
        output = terminal.output.decode("utf-8", "replace").replace("\r\n", "\n")
    found = OBEYED.search(output)
    assert not found, (door, output[max(0, found.start() - 80) : found.end() + 20])
    assert TRACEBACK not in output, output[-2000:]
    count("commands that showed hostile texts")


@pytest.mark.parametrize(
    "door", [("status",), ("runs",), ("show", "question", "1"), ("query", "SELECT * FROM votes")]
)
def test_json_is_ascii(hostile: Workspace, door: tuple[str, ...]) -> None:
    from bed import crescent

    ended = crescent(door[0], "-w", str(hostile.folder), "--json", *door[1:])
    assert ended.code == 0
    assert ended.out.isascii()
    assert not OBEYED.search(ended.out)
    json.loads(ended.out)


class Seen(html.parser.HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {(name, value or "") for name, value in attrs}


def test_a_report_is_text_in_html_and_markdown(hostile: Workspace) -> None:
    with closing(Store.open_read_only(hostile.database_path)) as store:
        document = build_document(store, 1)
    page, plain = document_html(document), document_markdown(document)

    seen = Seen()
    seen.feed(page)
    assert not {"script", "iframe", "img", "object", "embed", "form", "base", "link", "foreignobject"} & seen.tags
    assert not [each for each in seen.attributes if each[0].startswith("on")]
    links = [value for name, value in seen.attributes if name in ("href", "xlink:href", "src", "action")]
    assert all(link.startswith(("#", "http://arxiv.org/", "https://arxiv.org/")) for link in links), links[:5]
    assert not OBEYED.search(page)
    assert_markdown_is_text(plain)


def assert_markdown_is_text(plain: str) -> None:
    """No HTML, link or picture that a text brought along."""
    assert not OBEYED.search(plain)
    waiting = MarkdownIt("commonmark", {"html": True}).enable("table").parse(plain)
    while waiting:
        token = waiting.pop()
        assert token.type not in ("html_block", "html_inline", "link_open", "image"), token
        waiting += token.children or []


def test_a_card_is_text_and_its_front_matter_has_only_what_was_meant(hostile: Workspace) -> None:
    chance = source("cards")
    keys = {
        "library_name", "pipeline_tag", "tags", "base_model", "license", "license_name", "license_link", "datasets",
        "model-index",
    }  # fmt: skip
    with closing(Store.open_read_only(hostile.database_path)) as store:
        for _ in range(20):
            facts = BaseFacts(*(hostile_text(chance)[:200] for _ in range(4)))
            card = card_text(store, 1, {1: 1.0}, facts, library="peft", usage="    x", measured="")
            _, front, rest = card.split("---\n", 2)
            lines = front.splitlines()
            assert {line.partition(":")[0] for line in lines} <= keys, lines
            for line in lines:
                json.loads(line.partition(": ")[2])
            assert front.isascii()
            assert_markdown_is_text(rest)
            count("cards with hostile names")


def test_a_file_for_spreadsheets_has_no_formula(hostile: Workspace, tmp_path: Path) -> None:
    with closing(Store.open_read_only(hostile.database_path)) as store:
        store.querying.save_csv('SELECT text, answer_raw AS "=x" FROM votes', tmp_path / "x.csv")
        stored = [row[0] for row in store.database.rows("SELECT text FROM votes")]
    csv.field_size_limit(10**7)
    with (tmp_path / "x.csv").open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head[1] == "'=x"
    assert not [cell for row in rows for cell in row if spreadsheet_text(cell) != cell]
    assert [row[0].removeprefix("'") for row in rows] == [text.removeprefix("'") for text in stored]
    assert any(text.lstrip(" ")[:1] in FORMULA_STARTS for text in stored)


@pytest.mark.parametrize("form", ["conversational", "messages", "prompt-completion", "sharegpt", "parquet"])
def test_an_export_is_what_was_stored(hostile: Workspace, tmp_path: Path, form: str) -> None:
    with closing(Store.open_read_only(hostile.database_path)) as store:
        write_examples(store, Choice((1,)), form, tmp_path / "out")  # type: ignore[arg-type]
        labels = store.votes.fetch_labels(run_id=1)
    if form == "parquet":
        card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
        assert_markdown_is_text(card.split("---\n", 2)[2])
        return
    rows = [json.loads(line) for line in (tmp_path / "out").read_bytes().split(b"\n") if line]
    assert [row["question_id"] for row in rows] == [label.question_id for label in labels]


def test_names_that_trackers_get_are_printable(hostile: Workspace) -> None:
    with closing(Store.open_read_only(hostile.database_path)) as store:
        names = {name for point in points(store, 1) for name in point.values}
    assert names
    assert not [name for name in names if OBEYED.search(name) or "\n" in name or len(name) > 300]
