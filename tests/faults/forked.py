"""Runs a function in a forked copy of this process, with limits, and reports what came of it.

Much cheaper than a new process, since everything is imported already. The process that forks must have no threads of
llama.cpp, so nothing is sampled in it. Example:
    forked(lambda: GgufHeader(path), seconds=5, memory_bytes=1 << 30).problem    # '' or what the function did
"""

from __future__ import annotations

import faulthandler
import json
import os
import resource
import signal
import sys
import sysconfig
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crescent_lite.errors import CrescentError

HERE = Path(__file__).parent.parent.parent
OWN_CODE = (str(HERE), sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"), "<frozen", "<attrs", "<template>")
"""Where code may come from that is run: this project, Python and its packages; jinja compiles templates."""
PACKAGES = sysconfig.get_path("purelib")
MAKES_CLASSES = ("/dataclasses.py", "/collections/__init__.py", "/typing.py", "/attr/_make.py")
"""Modules that write Python to define classes while other modules are imported, as many packages do. sympy is none
of them: its parser runs what it reads."""
WATCHED = (
    "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn", "socket.connect", "socket.bind",
    "socket.getaddrinfo", "pickle.find_class", "urllib.Request", "webbrowser.open", "ctypes.dlopen",
)  # fmt: skip

OWN_LIBRARY = ("ctypes.dlopen", (None,))
"""What a process has loaded already, which tells the kind of a file system."""


@dataclass(frozen=True)
class Forked:
    """What came of a function in its own process."""

    value: object
    """What it returned, as JSON can hold it; None after an error."""
    error: str
    """The line of a CrescentError, with its class; '' without one."""
    problem: str
    """A fault: another exception, a signal, too much time, code that ran; '' without one."""
    signal: int
    """The signal that ended the process; 0 for none."""
    peak_bytes: int
    seconds: float
    said: str
    """What was written to stdout and stderr."""


def forked(work: Callable[[], object], *, seconds: float, memory_bytes: int) -> Forked:
    """Call `work` in a copy of this process. `memory_bytes` limits what it allocates beyond what is there."""
    with tempfile.TemporaryFile() as report, tempfile.TemporaryFile() as said:
        began = time.monotonic()
        pid = os.fork()
        if not pid:
            _child(work, report.fileno(), said.fileno(), memory_bytes)
        timed_out, status, usage = False, 0, None
        while True:
            found, status, usage = os.wait4(pid, os.WNOHANG)
            if found:
                break
            if not timed_out and time.monotonic() - began > seconds:
                timed_out = True
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.001)
        taken, code = time.monotonic() - began, os.waitstatus_to_exitcode(status)
        report.seek(0)
        said.seek(0)
        text, words = report.read().decode(), said.read().decode("utf-8", "backslashreplace")
    answer = json.loads(text) if text and code == 0 else {}
    problem = answer.get("problem", "")
    if timed_out:
        problem = f"took more than {seconds:g} s"
    elif code:
        problem = f"ended with {code}: {words[-300:]}"
    return Forked(
        answer.get("value"), answer.get("error", ""), problem, -code if code < 0 and not timed_out else 0,
        usage.ru_maxrss * 1024, taken, words,
    )  # fmt: skip


def _child(work: Callable[[], object], report: int, said: int, memory_bytes: int) -> None:
    answer: dict[str, object] = {}
    try:
        faulthandler.disable()
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.stdout, sys.stderr = (
            os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") for number in (1, 2)
        )
        data = int(
            next(
                line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData")
            ).split()[1]
        )
        limit = data * 1024 + memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        events: list[str] = []
        is_watching = [True]
        sys.addaudithook(lambda event, arguments: _watch(events, event, arguments) if is_watching else None)
        try:
            answer["value"] = work()
        except CrescentError as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        except SystemExit as error:
            answer["value"] = error.code
        except BaseException:  # noqa: BLE001  what it is, is the question
            is_watching.clear()  # writing the traceback compiles its lines
            answer["problem"] = traceback.format_exc()[-2500:]
        if events:
            answer["problem"] = f"{answer.get('problem', '')} ran {events[:5]}"
        os.write(report, json.dumps(answer, default=str).encode())
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)


def _watch(events: list[str], event: str, arguments: tuple[object, ...]) -> None:
    if event in ("exec", "compile"):
        code = arguments[0] if event == "exec" else arguments[1]
        name = str(getattr(code, "co_filename", code))
        caller = sys._getframe(2).f_code.co_filename
        makes_classes = caller.endswith(MAKES_CLASSES) or (caller.startswith(PACKAGES) and "/sympy/" not in caller)
        if not name.startswith(OWN_CODE) and not makes_classes:
            events.append(f"{event} {name}")
    elif event == "subprocess.Popen":
        if str(arguments[0]) != sys.executable:
            events.append(f"{event} {arguments[:2]}")
    elif event.startswith(WATCHED) and (event, arguments) != OWN_LIBRARY:
        events.append(f"{event} {arguments!r:.200}")
