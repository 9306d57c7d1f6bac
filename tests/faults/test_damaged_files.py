"""Every file of a workspace empty, cut, of other content, or replaced by a folder or a link to itself.

Every command, and the start of the terminal UI, then works or says in one line what is wrong and what to do; none
changes what it cannot read. Root may read everything, so a file that may not be read is a link to itself here, which
nobody can open.
"""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from bed import Ended, count, faults_of, is_one_line, shares, source
from disk import WarmPrograms, give_adapter
from small_workspace import make_workspace
from tiny_model import make_tiny_adapter, make_tiny_gguf

from crescent_lite.errors import CrescentError
from crescent_lite.store import Store
from crescent_lite.store.database import Database

pytestmark = pytest.mark.slow


def cut(path: Path, chance: random.Random) -> None:
    whole = path.read_bytes()
    path.write_bytes(
        whole[: chance.choice((1, len(whole) // 2, max(0, len(whole) - 1), chance.randrange(len(whole) + 1)))]
    )


def filled_with_noise(path: Path, chance: random.Random) -> None:
    path.write_bytes(chance.randbytes(chance.choice((1, 100, max(1, path.stat().st_size)))))


def changed_in_the_middle(path: Path, chance: random.Random) -> None:
    whole = bytearray(path.read_bytes())
    for _ in range(min(len(whole), 20)):
        whole[chance.randrange(len(whole))] = chance.randrange(256)
    path.write_bytes(whole)


def emptied(path: Path, _chance: random.Random) -> None:
    path.write_bytes(b"")


def of_other_values(path: Path, chance: random.Random) -> None:
    values = (b"null", b"[]", b'"x"', b"{}", b'{"run": [], "rounds": {}, "pid": {}, "tab": 7}', b"[" * 100_000)
    path.write_bytes(chance.choice(values))


def replaced_by_a_folder(path: Path, chance: random.Random) -> None:
    path.unlink()
    path.mkdir()
    if chance.random() < 0.5:
        (path / "a file").write_text("x", encoding="utf-8")


def linked_to_itself(path: Path, _chance: random.Random) -> None:
    path.unlink()
    path.symlink_to(path.name)


def gone(path: Path, _chance: random.Random) -> None:
    path.unlink()


DAMAGES: tuple[Callable[[Path, random.Random], None], ...] = (
    emptied, cut, filled_with_noise, changed_in_the_middle, of_other_values, replaced_by_a_folder, linked_to_itself,
    gone,
)  # fmt: skip
ADAPTER = "adapters/run-1/round-1/adapter.gguf"
FILES = (
    "crescent.db", "crescent.db-wal", "crescent.toml", "crescent.schema.json", "tiny.gguf", "sums.jsonl", ADAPTER,
    "notes.jsonl", "notes.taken", "notes.unreadable", ".checksums.json", ".calibrations.json", ".estimate.json",
    ".tui.json", ".engine.json", ".engine.lock", "stop-requested", "pause-requested", "round-requested",
    "logs/run-1.jsonl", "logs/engine-output.txt", "questions.jsonl",
)  # fmt: skip
COMMANDS = (
    ("cli", "status"), ("cli", "runs"), ("cli", "report"), ("cli", "show", "question", "1"), ("cli", "show", "round"),
    ("cli", "show", "run"), ("cli", "query", "SELECT count(*) FROM votes"), ("cli", "db", "check"),
    ("cli", "db", "backup"), ("cli", "db", "vacuum"), ("cli", "db", "schema"), ("cli", "config"), ("cli", "models"),
    ("cli", "export", "examples"), ("cli", "export", "adapter"), ("cli", "export", "gguf"), ("cli", "note", "1", "x"),
    ("cli", "rollback", "1"), ("cli", "compare", "1"), ("cli", "why"), ("cli", "plan", "--items", "500"),
    ("cli", "pause"), ("cli", "resume"), ("cli", "stop"), ("cli", "doctor"), ("cli", "run", "--dry-run", "--new"),
    ("engine",), ("engine", "bait.file='questions.jsonl'"), ("tui",),
)  # fmt: skip
PAIRS = list(itertools.product(FILES, DAMAGES, COMMANDS))


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmPrograms]:
    with WarmPrograms(tmp_path_factory.mktemp("programs")) as running:
        yield running


@pytest.fixture(scope="module")
def whole(programs: WarmPrograms, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run, an adapter, and every file that commands leave."""
    folder = tmp_path_factory.mktemp("whole")
    workspace = make_workspace(folder, "tiny.gguf", min_examples=1000)
    make_tiny_gguf(folder / "tiny.gguf")
    text = workspace.config_path.read_text(encoding="utf-8")
    for before, after in {"questions = 40": "questions = 5", "items = 20": "items = 2"}.items():
        text = text.replace(before, after)
    workspace.config_path.write_text(text, encoding="utf-8")
    (folder / "questions.jsonl").write_text('{"question": "What is 4 + 5?"}\n' * 3, encoding="utf-8")
    assert not faults_of(programs.run("engine", str(folder)), codes=[0])
    give_adapter(folder, make_tiny_adapter(folder / ADAPTER))
    for arguments in (("tui",), ("cli", "note", "1", "a note"), ("cli", "export", "adapter", "--force")):
        assert not faults_of(programs.run(*with_folder(arguments, folder)), codes=[0])
    note = '{"key": "0a", "question_id": 1, "text": "x", "created_at": "2026-01-01T00:00:00"}\n'
    for name in FILES:
        if not (folder / name).exists():
            (folder / name).write_text(note if name.startswith("notes") else "", encoding="utf-8")
    return folder


def with_folder(arguments: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    program, *rest = arguments
    return (program, *rest, "-w", str(folder)) if program == "cli" else (program, str(folder), *rest)


def refusals_of(ended: Ended) -> list[str]:
    """What is wrong with how a command ended that met a damaged file."""
    faults = faults_of(ended)
    if "Exception ignored" in ended.err or "Exception in thread" in ended.err:
        faults += ["an exception was ignored", str(ended)]
    is_usage = ended.err.startswith("crescent ")  # it names the command
    is_doctor = "doctor" in ended.arguments  # whose table says what is wrong
    if not faults and ended.code not in (0, 130) and not is_doctor and not is_one_line(ended) and not is_usage:
        faults += ["it does not say in one line what is wrong", str(ended)]
    return faults


@pytest.mark.parametrize("share", shares(few=30, all_of_them=len(PAIRS), each=400), ids=str)
def test_a_damaged_file_is_named_or_not_needed(
    share: range, programs: WarmPrograms, whole: Path, tmp_path: Path
) -> None:
    found = []
    step = 1009  # has no factor in common with the number of pairs, so that few trials are spread over all of them
    for trial in share:
        name, damage, arguments = PAIRS[trial * step % len(PAIRS)]
        folder = tmp_path / "trial"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        damage(folder / name, source("damage", trial))
        ended = programs.run(*with_folder(arguments, folder))
        if faults := refusals_of(ended):
            found.append(f"{trial}: {name} {damage.__name__.replace('_', ' ')}: {' '.join(arguments)}: {faults}")
        count(f"damaged files: {damage.__name__.replace('_', ' ')}")
    assert not found, "\n\n".join(found)


def test_a_database_that_is_cut_anywhere_is_refused_or_read(whole: Path, tmp_path: Path) -> None:
    with closing(Store.open(whole / "crescent.db")) as store:
        store.database.copy_to(tmp_path / "one.db")
    content = (tmp_path / "one.db").read_bytes()
    for step in range(40):
        size = len(content) * step // 40 + (step % 3 - 1 if step else 0)
        path = tmp_path / "cut.db"
        path.write_bytes(content[:size])
        try:
            with closing(Database.open_read_only(path)) as database:
                database.rows("SELECT * FROM votes")
        except CrescentError as error:
            assert error.hint, error
