"""The processors and the memory that this process may use, which on a shared machine are fewer than it has.

The CPU affinity and the cgroup (version 1, 2 or both) of the process limit them, as `taskset`, `docker run --cpus`,
Kubernetes and systemd do. Loads no library of its own; `root` is the folder that holds /proc and /sys, for tests.
Example: allowed_threads() -> 2; memory_now() -> Memory(free_bytes=1_200_000_000, total_bytes=1_500_000_000, ...)
Source: man 7 cgroups; Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of Linux
"""

from __future__ import annotations

import math
import os
import re
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from crescent_lite.errors import OutOfMemoryError, lack_in_words

ROOT = Path("/")
SMALL_SHARE = 0.25
"""A quota's fraction of a processor that is not worth a thread: 1.2 processors get one thread, 1.5 two (guess)."""
MOUNT = re.compile(
    r"^\S+ \S+ \S+ (?P<mounted>\S+) (?P<at>\S+) .*- (?P<kind>cgroup2?) \S+ (?P<options>\S+)$", re.MULTILINE
)
"""A line of /proc/self/mountinfo: 32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu,cpuacct"""
PAGE_CACHE = ("inactive_file", "active_file")
"""Memory of files that were read or written, which the kernel takes back when a program needs it."""


@dataclass(frozen=True)
class Quota:
    """The strictest CPU quota of a process's cgroups."""

    processors: float
    """Processor time per time: 1.5 means 1.5 seconds each second."""
    folder: Path
    """The cgroup that has the quota."""

    def used_seconds(self) -> float | None:
        """Processor time that the cgroup has used since it was made; None where it is not counted there."""
        if microseconds := re.search(r"^usage_usec (\d+)$", _text(self.folder / "cpu.stat"), re.MULTILINE):
            return int(microseconds[1]) / 1e6
        nanoseconds = _number(self.folder / "cpuacct.usage")
        return None if nanoseconds is None else nanoseconds / 1e9


@dataclass(frozen=True)
class Memory:
    """The memory of the machine, or the part of it that the cgroup may use."""

    free_bytes: int
    """Memory that can still be used: never more than is free on the machine."""
    total_bytes: int
    """The cgroup's limit, or the size of the machine's memory."""
    is_limited: bool
    """Whether a cgroup's limit is below the size of the machine's memory."""


def allowed_threads(root: Path = ROOT, *, per_core: bool = True) -> int:
    """Number of threads worth starting: one for each allowed processor, or fewer by a quota.

    With `per_core`, processors that share a physical core get one thread together.
    """
    allowed = allowed_processors()
    most = _physical_cores(allowed, root) if per_core else len(allowed)
    quota = cpu_quota(root)
    return most if quota is None else max(1, min(most, math.ceil(quota.processors - SMALL_SHARE)))


def require_threads(count: int) -> None:
    """Raise OutOfMemoryError unless so many threads can be started now: OpenMP would end the whole process later."""
    release, started = threading.Event(), list[threading.Thread]()
    try:
        for _ in range(count):
            thread = threading.Thread(target=release.wait, daemon=True)
            thread.start()
            started.append(thread)
    except RuntimeError as error:
        raise OutOfMemoryError(lack_in_words(error)) from None
    finally:
        release.set()
        for thread in started:
            thread.join()


def allowed_processors() -> frozenset[int]:
    """Numbers of the logical processors on which this process may run."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def cpu_quota(root: Path = ROOT) -> Quota | None:
    """The strictest quota of the process's cgroup and the groups around it; None without one."""
    quotas = [
        Quota(processors, group) for group in _groups("cpu", root) if (processors := _quota_of(group)) is not None
    ]
    return min(quotas, key=lambda quota: quota.processors, default=None)


def memory_now(root: Path = ROOT) -> Memory:
    """The memory that may be used now. A limit of a group around the process's own cgroup counts as well."""
    machine = psutil.virtual_memory()
    free, total = int(machine.available), int(machine.total)
    size = total
    for group in _groups("memory", root):
        limit, used = _memory_limit(group), _memory_used(group)
        if limit is not None and limit < size:
            total, free = min(total, limit), min(free, max(0, limit - used))
    return Memory(free, total, total < size)


# ── cgroups ──────────────────────────────────────────────────────────────────────────────────────────────────


def _groups(controller: str, root: Path) -> Iterator[Path]:
    """The folders of the process's cgroups that may limit this resource, from its own group outwards."""
    own = _own_groups(root)
    for mount in MOUNT.finditer(_text(root / "proc/self/mountinfo")):
        if mount["kind"] == "cgroup2":
            path = own.get("")
        else:
            path = own.get(controller) if controller in mount["options"].split(",") else None
        if path is not None:
            yield from _outwards(root / _unescaped(mount["at"]).lstrip("/"), _unescaped(mount["mounted"]), path)


def _own_groups(root: Path) -> Mapping[str, str]:
    """The process's cgroup by controller; '' is the cgroup of version 2. Lines are like '4:cpu,cpuacct:/docker/1'."""
    lines = (line.split(":", 2) for line in _text(root / "proc/self/cgroup").splitlines())
    return {name: path for _, names, path in (line for line in lines if len(line) == 3) for name in names.split(",")}


def _outwards(mount: Path, mounted: str, path: str) -> Iterator[Path]:
    """The folder of the cgroup `path` and those around it up to the mount point, where the group `mounted` is.

    In a container the group's path may lead outside the mounted part; then only the mount point can be read.
    """
    prefix = mounted.rstrip("/")
    inside = path == mounted or path.startswith(f"{prefix}/")
    parts = [part for part in path[len(prefix) :].split("/") if part] if inside else []
    if ".." in parts:
        parts = []
    for depth in range(len(parts), -1, -1):
        group = mount.joinpath(*parts[:depth])
        if depth < len(parts) and _text(group / "memory.use_hierarchy").strip() == "0":
            return  # such a group, of version 1, does not limit the groups inside it
        yield group


def _quota_of(group: Path) -> float | None:
    """The CPU quota that a cgroup sets itself, in processors; None for an unlimited one."""
    if version_2 := re.match(r"(\d+) (\d+)", _text(group / "cpu.max")):
        quota, period = int(version_2[1]), int(version_2[2])
    else:
        quota, period = _number(group / "cpu.cfs_quota_us") or 0, _number(group / "cpu.cfs_period_us") or 0
    return quota / period if quota > 0 and period > 0 else None


def _memory_limit(group: Path) -> int | None:
    """The memory limit that a cgroup sets itself, in bytes; None for an unlimited one.

    Above `memory.high` the kernel does not kill, but slows the group down until it frees memory.
    """
    names = ("memory.max", "memory.high", "memory.limit_in_bytes")
    return min((limit for name in names if (limit := _number(group / name)) is not None), default=None)


def _memory_used(group: Path) -> int:
    """Bytes in use by a cgroup and those inside it, without the page cache."""
    used = _number(group / "memory.current") or _number(group / "memory.usage_in_bytes") or 0
    found = re.findall(r"^(\w+) (\d+)$", _text(group / "memory.stat"), re.MULTILINE)
    counted = {name: int(count) for name, count in found}
    cached = [counted.get(f"total_{name}", counted.get(name, 0)) for name in PAGE_CACHE]  # total_: version 1
    return max(0, used - sum(cached))


# ── files of the kernel ──────────────────────────────────────────────────────────────────────────────────────


def _physical_cores(processors: Collection[int], root: Path) -> int:
    """The number of physical cores that these logical processors belong to."""
    folder = root / "sys/devices/system/cpu"
    siblings = [_text(folder / f"cpu{number}/topology/thread_siblings_list") for number in processors]
    if all(siblings):
        return len(set(siblings))
    return max(1, min(len(processors), psutil.cpu_count(logical=False) or len(processors)))


def _number(path: Path) -> int | None:
    """The whole number in a file; None for 'max', -1 and a file that is not there."""
    text = _text(path).strip()
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    """The content of a file; '' for one that cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _unescaped(field: str) -> str:
    """A field of mountinfo, in which a space is written as \\040."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field)
