"""Kills a process at its n-th write, again and again until its work is done, and checks the workspace in between.

A life is a piece of work that is killed several times and begun again each time by the same command. The process is
forked from one that has imported everything (`fork_server.py`), so that a kill costs little; it is a whole engine or
command on a real workspace, and SIGKILL ends it in the middle of a write. Example:
    with ForkServer() as server:
        lead_life(server, Work("engine", (str(folder),)), folder, chance, kills=10, writes=900, what="run")
"""

from __future__ import annotations

import json
import random
import shutil
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bed import OBEYED, TRACEBACK, AnsweringProgram, broken_invariants, compiled, count, environment, orphans_of

HERE = Path(__file__).parent
NEVER = 0
"""The number of a write at which nobody is killed."""
KILLED = -9


def deadly(folder: Path, at: int, *, tear: bool = False, skip: int = 0) -> dict[str, str]:
    """The environment in which a program dies at its write number `at` in a folder.

    `skip`: 1 for the programs that it starts, instead of itself.
    """
    return environment(
        LD_PRELOAD=str(compiled("killer.c")),
        CRESCENT_KILL_IN=str(folder.resolve()),
        CRESCENT_KILL_AT=str(at),
        CRESCENT_KILL_TEAR="1" if tear else None,
        CRESCENT_KILL_SKIP=str(skip) if skip else None,
    )


@dataclass(frozen=True)
class Work:
    """A piece of work that is begun again after each kill."""

    call: str
    """'engine', 'sweep' or 'cli'; see `fork_server.py`."""
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Death:
    """How one attempt ended."""

    code: int
    """The exit code; KILLED if it was killed."""
    writes: int
    """Writes inside the folder."""
    said: str
    """What it printed."""


class ForkServer(AnsweringProgram):
    """The process that forks the others."""

    def __init__(self) -> None:
        self._output = Path(tempfile.mkdtemp(prefix="crescent-kills-")) / "output"
        self.temporary = self._output.with_name("temporary")
        """The folder for temporary files of the processes that it forks."""
        self.temporary.mkdir()
        super().__init__(
            HERE / "fork_server.py",
            environment(
                LD_PRELOAD=str(compiled("killer.c")),
                OPENBLAS_NUM_THREADS="1",
                NO_COLOR="1",
                TMPDIR=str(self.temporary),
            ),
        )
        assert self.next_line() == "ready\n"

    def close(self) -> None:
        """Let the program end, and delete its temporary files."""
        super().close()
        shutil.rmtree(self._output.parent)

    def left_over(self) -> list[Path]:
        """Temporary files of ours that are still there."""
        return [path for path in self.temporary.iterdir() if "crescent" in path.name]

    def do(self, work: Work, folder: Path, at: int = NEVER, *, tear: bool = False) -> Death:
        """Do a piece of work, and kill it at its write number `at` in the folder."""
        self._output.write_bytes(b"")
        request = {
            "call": work.call,
            "arguments": work.arguments,
            "folder": str(folder.resolve()),
            "at": at,
            "tear": tear,
            "output": str(self._output),
        }
        answer = self.ask(request)
        said = self._output.read_text(encoding="utf-8", errors="backslashreplace")
        return Death(answer["code"], answer["writes"], said)


def lead_life(
    server: ForkServer,
    work: Work,
    folder: Path,
    chance: random.Random,
    *,
    kills: int,
    writes: int,
    what: str,
    done: tuple[int, ...] = (0,),
) -> int:
    """Do a piece of work, killed up to `kills` times; returns how often it was.

    `writes`: how many an unbroken one does, so that the kills spread over all of it. `what` names it in the figures.
    `done`: exit codes of an attempt that finds or leaves the work done.
    """
    before = stored(folder)
    for made in range(kills):
        at, tear = chance.randint(1, max(1, 2 * writes // kills)), chance.random() < 0.5
        death = server.do(work, folder, at, tear=tear)
        if death.code != KILLED:
            require_clean(death, done, folder)
            return made
        _show(what, made, at, tear)
        count(f"kills: {what}{stage_in_words(folder)}")
        assert TRACEBACK not in death.said, death.said
        faults = broken_invariants(folder, at_rest=False) + orphans_of(folder)
        assert not faults, f"after a kill at write {at} (torn: {tear}): {faults}"
        after = stored(folder)
        assert before <= after, f"lost by a kill at write {at} (torn: {tear}): {sorted(before - after)[:5]}"
        before = after
    require_clean(server.do(work, folder), done, folder)
    assert not (files := server.left_over()), files
    lost = before - stored(folder)
    assert not lost, f"lost at the end: {sorted(lost)[:5]}"
    return kills


def _show(what: str, made: int, at: int, tear: bool) -> None:
    print(f"{what}: kill {made + 1} at write {at}{', in its middle' if tear else ''}")  # noqa: T201  pytest shows it


def require_clean(death: Death, done: tuple[int, ...], folder: Path | None) -> None:
    """Fail unless the work ended as it should, and left a workspace in which everything holds; None for no check."""
    assert death.code in done, f"ended with {death.code}: {death.said}"
    assert TRACEBACK not in death.said, death.said
    assert not OBEYED.search(death.said.replace("\r", "")), death.said
    if folder is not None:
        assert not (faults := broken_invariants(folder)), faults


STORED = (
    "SELECT 'text', round_id, question_id, raw_text, created_at FROM questions",
    "SELECT 'verdict', question_id, verdict, reason, duplicate_of FROM questions WHERE verdict IS NOT NULL",
    "SELECT 'vote', question_id, sample_index, text, created_at FROM votes",
    "SELECT 'label', question_id, decision, answer_key, votes FROM consensus",
    "SELECT 'reply', evaluation_id, item_id, sample_index, text FROM evaluated_items",
    "SELECT 'training', training_id, adapter_id, seconds, finished_at FROM trainings WHERE state = 'finished'",
    "SELECT 'run', run_id, base_id, started_at, config FROM runs",
    "SELECT 'event', event_id, run_id, kind, created_at FROM events",
    "SELECT 'note', note_id, question_id, text, created_at FROM notes",
)
"""What is never lost once it is stored."""


def stored(folder: Path) -> set[str]:
    """Every row of a workspace that may not be lost; empty without a database of this version."""
    database = folder / "crescent.db"
    if not database.is_file() or not database.stat().st_size:
        return set()
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as found:
        try:
            return {repr(row) for sql in STORED for row in found.execute(sql)}
        except sqlite3.OperationalError as error:
            assert "no such" in str(error), error
            return set()


def stage_in_words(folder: Path) -> str:
    """The stage in which the latest run was, according to its log: ', vote'; '' for a folder without a log."""
    logs = sorted((folder / "logs").glob("run-*.jsonl"), key=lambda path: path.stat().st_mtime)
    if not logs:
        return ""
    stage = ", between stages"
    for line in logs[-1].read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if event["event"] == "StageStarted":
            stage = f", {event['stage']}" + (
                " of an adapter" if event["round"] and event["stage"] == "evaluate" else ""
            )
        elif event["event"] in ("StageFinished", "RunStarted", "RunFinished"):
            stage = ", between stages"
    return stage


def contents(folder: Path) -> dict[str, list[str]]:
    """Every row of every table, without times, to compare two databases that came from the same one."""
    database = folder / "crescent.db" if folder.is_dir() else folder
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as found:
        names = [row[0] for row in found.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
        kept = [name for name in names if "_fts" not in name and not name.startswith(("sqlite_", "_sqlite"))]
        tables = {}
        for name in kept:
            columns = [row[1] for row in found.execute(f"PRAGMA table_info('{name}')")]
            chosen = ", ".join(f'"{each}"' for each in columns if each not in ("path", "finished_at"))
            tables[name] = sorted(map(repr, found.execute(f"SELECT {chosen} FROM '{name}'")))
        return tables
