"""The end of a log file that is written, truncated, replaced or removed while it is read."""

import json
from pathlib import Path

import pytest

from crescent_lite.following.log_tail import LINE_BYTES, LogTail, parse_event


def test_only_what_was_appended_is_new(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("one\ntwo\n")
    tail = LogTail(path)
    assert tail.read_new().lines == ("one", "two")
    assert tail.read_new().lines == ()
    with path.open("a") as file:
        file.write("three\n")
    assert tail.read_new().lines == ("three",)


def test_a_half_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntw" + "ö".encode()[:1])
    tail = LogTail(path)
    assert tail.read_new().lines == ("one",)
    with path.open("ab") as file:
        file.write("ö".encode()[1:] + b"\r\nthree\n")
    assert tail.read_new().lines == ("twö", "three")


def test_a_large_file_is_read_from_near_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("".join(f"line {n}\n" for n in range(10_000)))
    chunk = LogTail(path, backlog_bytes=100).read_new()
    assert chunk.skipped
    assert chunk.lines[-1] == "line 9999"
    assert len(chunk.lines) == 9
    assert all(line.startswith("line 99") for line in chunk.lines)


def test_lines_written_faster_than_they_are_read_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("first\n")
    tail = LogTail(path, read_bytes=100)
    assert tail.read_new().lines == ("first",)
    with path.open("a") as file:
        file.writelines(f"line {n}\n" for n in range(1000))
    chunk = tail.read_new()
    assert chunk.skipped and not chunk.is_new_file
    assert chunk.lines[0].startswith("line 9") and chunk.lines[-1] == "line 999"


def test_a_missing_file_has_no_lines(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "log"
    tail = LogTail(path)
    assert tail.read_new().lines == ()
    path.parent.mkdir()
    path.write_text("one\n")
    assert tail.read_new().lines == ("one",)
    path.unlink()
    assert tail.read_new().is_new_file
    assert not tail.read_new().is_new_file


@pytest.mark.parametrize("how", ["cut", "replaced"])
def test_a_file_that_is_cut_or_replaced_is_read_anew(tmp_path: Path, how: str) -> None:
    path = tmp_path / "log"
    path.write_text("one\ntwo\nhalf")
    tail = LogTail(path)
    tail.read_new()
    if how == "cut":
        path.write_text("new\n")
    else:
        other = tmp_path / "other"
        other.write_text("new\n" * 10)
        other.replace(path)
    chunk = tail.read_new()
    assert chunk.is_new_file
    assert set(chunk.lines) == {"new"}


def test_a_line_without_an_end_takes_no_more_than_its_share_of_memory(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("x" * 200_000)
    tail = LogTail(path)
    assert tail.read_new().lines == ()
    with path.open("a") as file:
        file.write("x" * 200_000 + "\nnext\n")
    first, second = tail.read_new().lines
    assert (len(first), second) == (LINE_BYTES, "next")


def test_a_folder_instead_of_the_file_has_no_lines(tmp_path: Path) -> None:
    assert LogTail(tmp_path).read_new().lines == ()


def test_an_event_has_its_time_and_its_detail() -> None:
    line = json.dumps({"at": "2026-11-26T09:29:39.500+00:00", "event": "RunPaused", "x": 1})
    event = parse_event(line)
    assert event
    assert (event.kind, event.at % 60, event.detail) == ("RunPaused", 39.5, {"x": 1})


@pytest.mark.parametrize(
    "line",
    [
        "",
        "null",
        "[]",
        "{",
        "[" * 100_000,
        '{"event": "RunPaused"}',
        '{"at": 5, "event": "RunPaused"}',
        '{"at": "yesterday", "event": "RunPaused"}',
        '{"at": "2026-11-26T09:29:39+00:00", "event": ["RunPaused"]}',
        '{"at": "2026-11-26T09:29:39+00:00", "event": "RunPaused", "n": ' + "9" * 5000 + "}",
        "\x1b]0;title\x07\udc80",
    ],
)
def test_a_line_that_is_not_an_event_is_none(line: str) -> None:
    assert parse_event(line) is None
