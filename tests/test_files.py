"""Files are written whole or not at all, and what a killed process left is taken away or put back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from crescent_lite.errors import StorageError
from crescent_lite.files import (
    appended_lines,
    atomic_replacement,
    keep_json,
    kept_json,
    remove_left_over,
    write_line,
    write_whole,
)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    write_whole(tmp_path / "a", "before")
    with pytest.raises(ZeroDivisionError), atomic_replacement(tmp_path / "a") as unfinished:
        unfinished.write_text("after")
        1 / 0  # noqa: B018

    assert (tmp_path / "a").read_text() == "before"
    assert names_in(tmp_path) == ["a"]


def test_a_folder_replaces_a_folder_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").touch()
    with atomic_replacement(tmp_path / "out") as unfinished:
        unfinished.mkdir()
        (unfinished / "new").touch()
    (tmp_path / "file").touch()
    with (
        pytest.raises(StorageError, match=r"file: cannot be written: .*; move away"),
        atomic_replacement(tmp_path / "file") as unfinished,
    ):
        unfinished.mkdir()

    assert names_in(tmp_path / "out") == ["new"]
    assert names_in(tmp_path) == ["file", "out"]


def test_what_a_killed_process_left_is_removed_or_put_back(tmp_path: Path) -> None:
    program = f"""
import os, pathlib
from crescent_lite import files
folder = pathlib.Path({str(tmp_path)!r})
for name in ("lost", "done"):
    (folder / name).mkdir()
    (folder / name / "old").touch()
    (folder / name).rename(files._marked(folder / name, files.REPLACED))
(folder / "done").mkdir()
with files.atomic_replacement(folder / "half") as unfinished:
    unfinished.write_text("half")
    os._exit(0)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
    assert len(names_in(tmp_path)) == 4
    write_whole(tmp_path / "other", "")

    assert names_in(tmp_path) == ["done", "lost", "other"]
    assert names_in(tmp_path / "lost") == ["old"]
    assert names_in(tmp_path / "done") == []


def test_what_a_process_at_work_writes_is_left_alone(tmp_path: Path) -> None:
    with atomic_replacement(tmp_path / "a") as unfinished:
        unfinished.write_text("half")
        remove_left_over(tmp_path)
        assert unfinished.exists()


def test_a_last_line_that_was_cut_short_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "lines"
    with appended_lines(path) as file:
        write_line(file, "one")
    for rest in (b"half of", b"x" * 200_000):
        with path.open("ab") as cut:
            cut.write(rest)
        with appended_lines(path) as file:
            write_line(file, "more")

    assert path.read_text() == "one\nmore\nmore\n"
    path.write_bytes(b"no line ends here")
    with appended_lines(path):
        assert path.read_bytes() == b""


@pytest.mark.parametrize("content", ["", "{", "[1]", "[" * 100_000, "\x00", "null"])
def test_a_damaged_cache_is_an_empty_one(content: str, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text(content)
    assert kept_json(tmp_path / "cache") == {}
    keep_json(tmp_path / "cache", {"a": 1})
    assert kept_json(tmp_path / "cache") == {"a": 1}


def test_a_cache_that_cannot_be_written_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    keep_json(tmp_path / "cache", {"a": 1})
    assert kept_json(tmp_path / "cache") == {}
    assert names_in(tmp_path) == ["cache"]
