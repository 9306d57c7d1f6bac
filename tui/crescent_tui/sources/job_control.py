"""Whether there is a shell to return to when the app is suspended, and stopping the app and the programs around it.

Example, in a terminal where a shell started `make tui`: a_shell_waits() -> True; stop_job() stops make and the app.
"""

from __future__ import annotations

import os
import signal

import psutil


def a_shell_waits() -> bool:
    """Whether another job of this session, in practice the shell, can continue this one.

    False in a terminal that runs nothing else (`ssh -t host crescent tui`), where a stopped app would hang for ever.
    """
    try:
        shell = psutil.Process(os.getpgrp()).ppid()
        return os.getsid(shell) == os.getsid(0) and os.getpgid(shell) != os.getpgrp()
    except (psutil.Error, OSError):  # the program that started this job has ended
        return False


def stop_job() -> None:
    """Stop this job: the app and, for instance, the `make` that started it. Returns when the shell's `fg` resumes it.

    The caller must have restored the terminal. SIGSTOP stops all of them at once; with SIGTSTP, the shell would take
    the terminal while this process still handles the signal.
    """
    os.kill(0, signal.SIGSTOP)
