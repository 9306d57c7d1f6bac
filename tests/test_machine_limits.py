"""The processors and the memory that a process may use, by its affinity and its cgroups."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest

from crescent_lite.sampling.machine_limits import allowed_threads, cpu_quota, memory_now, require_threads

MIB = 2**20
UNLIMITED_V1 = "9223372036854771712"
Files = Mapping[str, str]
Tree = Callable[[str, str, Files], Path]

V2 = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"
V1 = "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n" \
     "35 31 0:32 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Write a root folder: the process's cgroups, the mounts, and the files below /sys/fs/cgroup."""

    def write(cgroup: str, mounts: str, files: Files) -> Path:
        named = {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
        for name, text in {"proc/self/cgroup": cgroup, "proc/self/mountinfo": mounts, **named}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        for number in range(os.cpu_count() or 1):
            siblings = tmp_path / f"sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list"
            siblings.parent.mkdir(parents=True)
            siblings.write_text(f"{number}\n")
        return tmp_path

    return write


def v1_memory(limit: str, used: int, cached: int = 0) -> dict[str, str]:
    return {
        "memory.limit_in_bytes": limit,
        "memory.usage_in_bytes": str(used),
        "memory.stat": f"inactive_file 5\ntotal_inactive_file {cached}\ntotal_active_file 0",
        "memory.use_hierarchy": "1",
    }


def below(folder: str, files: Files) -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in files.items()}


@pytest.mark.parametrize(
    ("quota", "processors"),
    [
        ({"job/cpu.max": "150000 100000"}, 1.5),
        ({"job/cpu.max": "max 100000"}, None),
        ({"job/cpu.max": "max 100000", "cpu.max": "50000 100000"}, 0.5),
        ({"job/cpu.max": "200000 100000", "cpu.max": "100000 50000"}, 2.0),
        ({}, None),
    ],
)
def test_the_strictest_quota_around_a_process_counts(tree: Tree, quota: Files, processors: float | None) -> None:
    found = cpu_quota(tree("0::/job", V2, quota))
    assert (found.processors if found else None) == processors


def test_quotas_of_version_1_are_read_with_their_period(tree: Tree) -> None:
    files = below("cpu,cpuacct/docker/1", {"cpu.cfs_quota_us": "25000", "cpu.cfs_period_us": "50000"})
    outer = below("cpu,cpuacct", {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000", "cpuacct.usage": "7"})
    found = cpu_quota(tree("3:cpu,cpuacct:/docker/1", V1.format(root="/"), {**files, **outer}))
    assert found
    assert found.processors == 0.5
    assert found.used_seconds() is None


def test_a_container_sees_its_own_group_at_the_mount_point(tree: Tree) -> None:
    files = {"memory/memory.limit_in_bytes": str(MIB), "memory/memory.usage_in_bytes": "0"}
    root = tree("4:memory:/docker/1\n3:cpu,cpuacct:/docker/1", V1.format(root="/docker/1"), files)
    assert memory_now(root).total_bytes == MIB
    (root / "proc/self/cgroup").write_text("4:memory:/../elsewhere\n")
    assert memory_now(root).total_bytes == MIB


@pytest.mark.parametrize(
    ("files", "total", "free"),
    [
        ({"job/memory.max": str(9 * MIB), "job/memory.current": str(4 * MIB)}, 9 * MIB, 5 * MIB),
        ({"job/memory.max": "max", "memory.max": str(9 * MIB), "memory.current": "0"}, 9 * MIB, 9 * MIB),
        ({"job/memory.max": str(9 * MIB), "job/memory.high": str(8 * MIB)}, 8 * MIB, 8 * MIB),
        # The outer group is larger, but others have used most of it.
        (
            {
                "job/memory.max": str(5 * MIB), "job/memory.current": "0",
                "memory.max": str(9 * MIB), "memory.current": str(8 * MIB),
            },
            5 * MIB, MIB,
        ),
        ({"job/memory.max": str(MIB), "job/memory.current": str(3 * MIB)}, MIB, 0),
        # Page cache is given back when a program needs the memory.
        (
            {
                "job/memory.max": str(9 * MIB), "job/memory.current": str(8 * MIB),
                "job/memory.stat": f"anon 3\ninactive_file {2 * MIB}\nactive_file {MIB}",
            },
            9 * MIB, 4 * MIB,
        ),
    ],
)  # fmt: skip
def test_memory_is_what_every_group_around_a_process_leaves(tree: Tree, files: Files, total: int, free: int) -> None:
    found = memory_now(tree("0::/job", V2, files))
    assert (found.total_bytes, found.free_bytes, found.is_limited) == (total, free, True)


def test_memory_limits_of_version_1_count_beside_an_empty_version_2(tree: Tree) -> None:
    mounts = f"{V1.format(root='/')}\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw"
    files = {
        "unified/cgroup.controllers": "hugetlb",
        **below("memory/a/b", v1_memory(UNLIMITED_V1, MIB)),
        **below("memory/a", v1_memory(str(9 * MIB), 6 * MIB, cached=2 * MIB)),
    }
    found = memory_now(tree("4:memory:/a/b\n3:cpu,cpuacct:/\n0::/", mounts, files))
    assert (found.total_bytes, found.free_bytes) == (9 * MIB, 5 * MIB)


def test_a_group_of_version_1_without_hierarchy_does_not_limit_those_inside_it(tree: Tree) -> None:
    outer = v1_memory(str(MIB), 0) | {"memory.use_hierarchy": "0"}
    files = {**below("memory/a", v1_memory(str(9 * MIB), 0)), **below("memory", outer)}
    assert memory_now(tree("4:memory:/a", V1.format(root="/"), files)).total_bytes == 9 * MIB


@pytest.mark.parametrize("files", [{}, {"memory/memory.limit_in_bytes": UNLIMITED_V1}, {"memory.max": "max"}])
def test_without_a_limit_the_machine_decides(tree: Tree, files: Files) -> None:
    found = memory_now(tree("4:memory:/\n0::/", f"{V1.format(root='/')}\n{V2}\n\nno mount", files))
    assert (found.total_bytes, found.is_limited) == (psutil.virtual_memory().total, False)
    assert 0 < found.free_bytes < found.total_bytes


def test_a_machine_without_cgroups_has_no_limits(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None
    assert not memory_now(tmp_path).is_limited
    assert allowed_threads(tmp_path) >= 1


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="only one processor may be used")
@pytest.mark.parametrize(("share", "threads"), [("0.1", 1), ("1.0", 1), ("1.2", 1), ("1.5", 2), ("64.0", None)])
def test_a_quota_is_rounded_to_threads_that_it_can_feed(tree: Tree, share: str, threads: int | None) -> None:
    root = tree("0::/", V2, {"cpu.max": f"{int(float(share) * 100_000)} 100000"})
    assert allowed_threads(root) == (threads or len(os.sched_getaffinity(0)))


def test_two_threads_of_one_core_are_one(tree: Tree) -> None:
    root = tree("0::/", V2, {})
    for siblings in root.glob("sys/devices/system/cpu/*/topology/thread_siblings_list"):
        siblings.write_text("0-99\n")
    assert allowed_threads(root) == 1


def test_the_affinity_of_the_process_decides_its_threads() -> None:
    one = min(os.sched_getaffinity(0))
    program = (
        f"import os; os.sched_setaffinity(0, {{{one}}});"
        "from crescent_lite.sampling.machine_limits import allowed_threads; print(allowed_threads())"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "1\n"


def test_threads_that_cannot_be_started_are_one_line() -> None:
    require_threads(4)
    program = (
        "import resource, threading, crescent_lite.sampling.machine_limits as limits\n"
        "threading.stack_size(1 << 34)\n"  # more than the address space
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 33, 1 << 33))\n"
        "try: limits.require_threads(1)\n"
        "except limits.OutOfMemoryError as error: print(error)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stdout.startswith("no thread or process can be started; raise the limit of processes"), ended.stderr


def test_only_one_module_asks_for_the_size_of_the_whole_machine() -> None:
    """Any other one would plan with processors and memory that the process may not use."""
    host = re.compile(r"\b(cpu_count|virtual_memory|sched_getaffinity|sysconf)\(")
    root = Path(__file__).parent.parent
    asking = {
        str(path.relative_to(root))
        for folder in ("crescent_lite", "tui")
        for path in (root / folder).rglob("*.py")
        if host.search(path.read_text(encoding="utf-8"))
    }
    described_only = "crescent_lite/workspace/machine.py"
    assert asking == {"crescent_lite/sampling/machine_limits.py", described_only}
