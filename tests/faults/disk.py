"""A disk that fails on request: every write, flush, rename and the like of a program below one folder can be failed.

`FaultyDisk` compiles `faulty_disk.c` and tells it what to fail; `WarmPrograms` runs commands below it, each in a fork
of one process that has imported everything. Example:
    disk = FaultyDisk(tmp_path, workspace.folder)
    with WarmPrograms(tmp_path, disk) as programs:
        with disk.fails(Fault(7, errno.ENOSPC)): ended = programs.run("cli", "db", "vacuum", "-w", str(folder))
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bed import AnsweringProgram, Ended, compiled, environment

from crescent_lite.models import sha256_of
from crescent_lite.records import ModelFile, TrainedAdapter
from crescent_lite.store import Store

HERE = Path(__file__).parent
SECONDS = 120
"""A program that takes longer is taken to hang, and is killed."""
Mode = Literal["once", "from", "short"]
MODES: tuple[Mode, ...] = ("once", "from", "short")
"""In the order of `enum mode` in faulty_disk.c."""
ERRORS = {name: getattr(errno, name) for name in ("ENOSPC", "EIO", "EDQUOT", "EROFS")}
KINDS = {"write": 1, "sync": 2, "rename": 4, "open": 8, "truncate": 16, "unlink": 32, "mkdir": 64}
"""As `enum kind` in faulty_disk.c."""
ALL_KINDS = sum(KINDS.values())


class _Control(ctypes.Structure):
    """`struct control` in faulty_disk.c."""

    _fields_ = (
        ("armed", ctypes.c_int),
        ("kinds", ctypes.c_int),
        ("error", ctypes.c_int),
        ("mode", ctypes.c_int),
        ("number", ctypes.c_long),
        ("seen", ctypes.c_long),
        ("failed", ctypes.c_long),
        ("folder", ctypes.c_char * 1024),
        ("call", ctypes.c_char * 32),
        ("path", ctypes.c_char * 1024),
    )


@dataclass(frozen=True)
class Fault:
    """What fails: the call with this number, by itself or with all later ones."""

    number: int
    """From 1; 0 fails nothing and only counts."""
    error: int
    """The errno; 0 with the mode `short` only shortens one write."""
    mode: Mode = "once"
    """once: only that call. from: all later ones too. short: it writes half of its bytes, and all later ones fail."""
    kinds: int = ALL_KINDS

    def __str__(self) -> str:
        return f"{errno.errorcode.get(self.error, 'nothing')} at call {self.number}, {self.mode}"


class FaultyDisk:
    """The shared library, and the file through which it is told what to fail."""

    def __init__(self, folder: Path, watched: Path) -> None:
        """Compile the library. `folder` is for the file, and must not lie below `watched`. Needs a C compiler."""
        self.folder = folder
        self.library, self._file = compiled("faulty_disk.c"), folder / "faulty_disk.control"
        self._file.write_bytes(bytes(ctypes.sizeof(_Control)))
        with self._file.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), 0)
        self._control = _Control.from_buffer(self._memory)
        self.watch(watched)

    def watch(self, folder: Path) -> None:
        """Fail only calls that concern files below this folder from now on."""
        self._control.folder = os.fsencode(folder.resolve())

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a program whose calls are to be failed."""
        return {"LD_PRELOAD": str(self.library), "FAULTY_DISK": str(self._file)}

    @contextmanager
    def fails(self, fault: Fault) -> Iterator[None]:
        """Fail calls inside this block."""
        control = self._control
        control.kinds, control.error, control.mode = fault.kinds, fault.error, MODES.index(fault.mode)
        control.number, control.seen, control.failed, control.call, control.path = fault.number, 0, 0, b"", b""
        control.armed = 1
        try:
            yield
        finally:
            control.armed = 0

    @property
    def seen(self) -> int:
        """Number of calls in the last block of `fails`."""
        return int(self._control.seen)

    @property
    def failed(self) -> int:
        """Number of calls that failed in the last block of `fails`."""
        return int(self._control.failed)

    @property
    def what_failed(self) -> str:
        """The first call that failed, and its file."""
        path = Path(os.fsdecode(self._control.path))
        return f"{self._control.call.decode()} of {path.name}"


class WarmPrograms(AnsweringProgram):
    """Runs programs of `warm_programs.py`, each in a fork of one process that has imported everything."""

    def __init__(self, folder: Path, disk: FaultyDisk | None = None) -> None:
        """Start that process; `folder` is for the programs' output. With a `disk`, it fails their calls."""
        self._out, self._err = folder / "stdout", folder / "stderr"
        super().__init__(HERE / "warm_programs.py", environment(**(disk.environment if disk else {})))

    def run(self, program: Literal["cli", "engine", "tui"], *arguments: str) -> Ended:
        """Run a program to its end."""
        wanted = {
            "program": program,
            "arguments": arguments,
            "out": str(self._out),
            "err": str(self._err),
            "seconds": SECONDS,
        }
        began = time.monotonic()
        code = self.ask(wanted)["exit_code"]
        output, errors = (
            path.read_text(encoding="utf-8", errors="backslashreplace") for path in (self._out, self._err)
        )
        timed_out = code == -signal.SIGALRM
        return Ended((program, *arguments), code, output, errors, timed_out, 0, time.monotonic() - began)


def give_adapter(folder: Path, adapter: Path) -> None:
    """Store an adapter for round 1 of run 1, as if it had been trained."""
    with closing(Store.open(folder / "crescent.db")) as store:
        run = store.runs.fetch_run(1)
        this = store.runs.fetch_round(1, 1)
        training_id = store.trainings.start_training(this.round_id, [])
        file = ModelFile("run-1-round-1", adapter, sha256_of(adapter), "trained by run-1-round-1", "adapter")
        adapter_id = store.runs.insert_model(file, store.runs.insert_model(store.runs.fetch_base(run)))
        trained = TrainedAdapter(adapter, Path("peft"), "peft", 1.0)
        store.trainings.finish_training(training_id, this.round_id, trained, adapter_id)
