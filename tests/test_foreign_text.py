"""Text from outside is stored or refused in words, and a terminal that lacks a character gets a replacement."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_run import load_sample_run
from small_workspace import make_workspace
from terminal import Terminal
from tiny_model import make_tiny_gguf

from crescent_lite.api import votes
from crescent_lite.cli import main
from crescent_lite.cli.terminal import terminal_fault
from crescent_lite.errors import BenchmarkError, ConfigError, CrescentError, ExitCode
from crescent_lite.evaluation.benchmark_rows import file_rows
from crescent_lite.files import json_lines
from crescent_lite.printable import argument_text, printable, storable, unstorable
from crescent_lite.questions.own import load_question_file
from crescent_lite.sampling.reply import Reply
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.notes import add_note, pending_notes, pending_on, store_notes

ODD = "\u2028x\u2029y\u0085z\x0b\x0c\x1c ⅓ – 漢字 e\u0301 \u202e ❤\ufe0f \x1b[2J"
"""Characters that end a line for some readers but not in JSON, that an encoding lacks, or that a terminal obeys."""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A real run into whose texts odd characters were written, as a model may write them."""
    workspace = load_sample_run(tmp_path_factory.mktemp("odd") / "data")
    with closing(sqlite3.connect(workspace.database_path)) as connection, connection:
        for table, column in (("questions", "text"), ("votes", "text"), ("models", "name"), ("prompts", "text")):
            connection.execute(f"UPDATE {table} SET {column} = {column} || ?", [ODD])
        connection.execute("UPDATE runs SET reason = ?", [ODD])
    return workspace


@given(st.text(st.characters()))
def test_what_is_stored_can_be_encoded_and_differs_only_where_it_could_not(text: str) -> None:
    kept = storable(text)
    assert "\0" not in kept.encode("utf-8").decode()
    assert unstorable(kept) is None
    assert [a for a, b in zip(text, kept, strict=True) if a != b] == [a for a in text if unstorable(a)]


def test_an_argument_is_read_as_utf_8_in_every_locale() -> None:
    as_ascii_locale = "½ of café".encode().decode("ascii", "surrogateescape")
    assert argument_text(as_ascii_locale) == "½ of café"
    assert argument_text("caf\udce9") == "caf\ufffd"
    assert argument_text("\ud83d") == "\ufffd"


def test_a_nul_that_a_model_writes_is_replaced() -> None:
    reply = Reply()
    reply.add(b"a\0b\xff")
    assert reply.text() == "a\ufffdb\ufffd"


def test_the_emoji_style_is_not_shown_because_terminals_disagree_on_its_width() -> None:
    assert printable("❤\ufe0f 1\ufe0f\u20e3") == "❤ 1\u20e3"


def write(path: Path, *values: object) -> Path:
    """JSON lines as other programs write them: with every character as it is."""
    path.write_text("".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values), encoding="utf-8")
    return path


def test_json_lines_end_at_newlines_only(tmp_path: Path) -> None:
    row = {"question": f"What is 2 + 3?{ODD}", "answer": "5"}
    path = write(tmp_path / "rows.jsonl", row, row["question"])

    with path.open("rb") as file:
        assert [line.value for line in json_lines(path, file, ConfigError)] == [row, row["question"]]
    assert [question.text for question in load_question_file(path).questions] == [row["question"]] * 2
    with pytest.raises(BenchmarkError, match="line 2: not a JSON object"):
        assert [row] == [dict(found) for _, _, found in file_rows("sums", path)]


@pytest.mark.parametrize("escape", ["\\ud83d", "\\udc00", "\\u0000"])
@pytest.mark.parametrize("field", ["question", "answer", "id", "options"])
def test_what_cannot_be_stored_of_a_data_file_is_named_with_its_line(tmp_path: Path, escape: str, field: str) -> None:
    row = {"question": "What is 2 + 3?", "answer": "5", "id": "a", "options": ["5"], field: ["BAD"]}
    path = write(tmp_path / "rows.jsonl", {"question": "1 + 1?", "answer": "2"}, row)
    path.write_text(path.read_text().replace("BAD", f"x{escape}"))

    for error, read in (
        (BenchmarkError, lambda: list(file_rows("sums", path))),
        (ConfigError, lambda: load_question_file(path)),
    ):
        with pytest.raises(error, match=r"rows\.jsonl, line 2: contains (half a character|a NUL)"):
            read()


def test_a_file_in_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes('{"question": "1?", "answer": "1"}\n{"question": "caf\xe9", "answer": "2"}\n'.encode("latin-1"))
    with pytest.raises(BenchmarkError, match="line 2: not UTF-8"):
        list(file_rows("sums", path))


@pytest.mark.parametrize("text", [ODD.strip(), "caf\udce9", "a\0b", "x" * 5000])
def test_a_note_is_never_lost(odd: Workspace, text: str) -> None:
    with closing(Store.open(odd.database_path)) as store:
        question_id = store.database.value("SELECT min(question_id) FROM questions")
        odd.notes.write_text('{"key": "cut off by a full d')  # without a newline
        add_note(odd, question_id, text)
        assert [note.text for note in pending_notes(odd)] == [storable(text)]
        store_notes(odd, store)
        assert store.notes.fetch(question_id)[-1].text == storable(text)
    assert '"cut off by a full d' in odd.notes.with_suffix(".unreadable").read_text()


def test_a_note_that_was_stored_before_a_kill_is_shown_once(odd: Workspace) -> None:
    with closing(Store.open(odd.database_path)) as store:
        question_id = store.database.value("SELECT min(question_id) FROM questions")
        add_note(odd, question_id, "wrong")
        file = odd.notes.read_bytes()
        assert [note.text for note in pending_on(odd, question_id, store.notes.fetch(question_id))] == ["wrong"]
        store_notes(odd, store)
        odd.notes.with_suffix(".taken").write_bytes(file)  # a process that was killed before it deleted the file
        assert len(pending_notes(odd)) == 1
        assert pending_on(odd, question_id, store.notes.fetch(question_id)) == ()
        store_notes(odd, store)
        assert [note.text for note in store.notes.fetch(question_id)].count("wrong") == 1


def test_a_note_on_a_number_beyond_64_bits_stops_nothing(odd: Workspace) -> None:
    for number in ("9" * 30, "true", "1e30", "-1"):
        line = f'{{"key": "k", "question_id": {number}, "text": "t", "created_at": "c"}}\n'
        odd.notes.write_text(line)
        with closing(Store.open(odd.database_path)) as store:
            store_notes(odd, store)
        assert line in odd.notes.with_suffix(".unreadable").read_text()


def test_an_integer_beyond_64_bits_is_one_line(odd: Workspace) -> None:
    with pytest.raises(CrescentError, match="beyond 64 bits"):
        votes(odd.folder, 2**70)


def test_an_argument_that_is_not_utf_8_becomes_a_note_with_a_replacement(
    odd: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["note", "1", "caf\udce9", "-w", str(odd.folder)]) == ExitCode.OK
    assert "became \ufffd" in capsys.readouterr().out
    assert main(["show", "question", "1", "-w", str(odd.folder)]) == ExitCode.OK
    assert "caf\ufffd" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["ascii", pytest.param("latin-1", marks=pytest.mark.slow)])
def test_no_command_ends_in_a_traceback_for_what_the_encoding_lacks(
    odd: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    commands: tuple[list[str], ...] = (
        ["show", "question", "1"], ["query", "SELECT text FROM questions"], ["query", "⅓"], ["status"],
        ["query", "SELECT text FROM questions", "--csv"], ["note", "1", "⅓"], ["db", "merge", "caf\udce9⅓"],
    )  # fmt: skip
    slow_ones: tuple[list[str], ...] = (
        ["show", "question", "1", "--json"], ["show", "round"], ["show", "run"], ["query", "SELECT '⅓'"],
        ["query", "--list"], ["config"], ["doctor"], ["db", "check"], ["db", "schema"], ["rollback", "1"], ["stop"],
        ["db", "backup", "--output", str(tmp_path / "⅓.db")], ["export"], ["export", "--format", "parquet"],
        ["answer", "⅓ of 6?"], ["answer", "⅓?", "--prompt", "⅓"], ["run", "--questions", "caf\udce9⅓", "--new"],
        ["eval", "--set", 'model.source="⅓"'], ["distill", "--student", "⅓"],
        ["report", "--output", str(tmp_path / "caf\udce9")],
    )  # fmt: skip
    streams = []
    for command in commands if encoding == "ascii" else (*commands, *slow_ones):
        for name in ("stdout", "stderr"):
            streams.append(io.TextIOWrapper(io.BytesIO(), encoding=encoding))
            monkeypatch.setattr(sys, name, streams[-1])
        assert main([*command, "-w", str(odd.folder)]) is not ExitCode.BUG, command
    for stream in streams:
        stream.flush()
    assert b"\\u2153" in b"".join(stream.buffer.getvalue() for stream in streams)  # type: ignore[attr-defined]


def test_exports_are_utf_8_and_keep_the_text(odd: Workspace, tmp_path: Path) -> None:
    assert main(["export", "-w", str(odd.folder), "--output", str(tmp_path / "x.jsonl")]) == ExitCode.OK
    with (tmp_path / "x.jsonl").open("rb") as file:
        rows = [line.value for line in json_lines(tmp_path / "x.jsonl", file, ConfigError)]
    assert rows
    assert all(ODD in row["prompt"][0]["content"] and ODD in row["completion"][0]["content"] for row in rows)


@pytest.mark.slow
def test_a_model_whose_path_is_not_utf_8_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = make_workspace(tmp_path / os.fsdecode(b"caf\xe9"), "tiny.gguf", min_examples=1000)
    make_tiny_gguf(workspace.folder / "tiny.gguf")
    command = ["run", "-w", str(workspace.folder), "--set", "bait.questions=4"]
    assert main(command) == ExitCode.STORAGE
    said = capsys.readouterr().err
    assert "not valid Unicode" in said.splitlines()[-1]
    assert main(["status", "-w", str(workspace.folder)]) == ExitCode.NOT_FOUND


@pytest.mark.parametrize("term", ["", "dumb", "unknown"])
def test_a_terminal_that_cannot_draw_is_refused(term: str) -> None:
    assert terminal_fault(term)


@pytest.mark.parametrize("term", ["xterm", "xterm-256color", "xterm-new-and-not-listed"])
def test_a_terminal_that_can_draw_is_not(term: str) -> None:
    assert terminal_fault(term) is None


@pytest.mark.slow
@pytest.mark.parametrize("term", ["dumb", "no-such-terminal"])
def test_the_terminal_ui_refuses_such_a_terminal_in_one_line(odd: Workspace, term: str) -> None:
    command = [sys.executable, "-m", "crescent_lite.cli", "tui", "-w", str(odd.folder)]
    with Terminal(command, environment={"TERM": term}) as terminal:
        assert terminal.process.wait(60) == ExitCode.USAGE
        terminal.settle()
        assert b"\x1b" not in terminal.output
        assert terminal.output.count(b"\n") == 1
        assert b"TERM" in terminal.output
