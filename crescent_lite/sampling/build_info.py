"""How llama.cpp on this machine was built, and whether it fits the processor. A child process loads it, this one not.

Example: read_build() -> LlamaBuild(version="0.3.36", features="CPU: AVX2, FMA, OPENMP", can_offload=False)
"""

from __future__ import annotations

import functools
import json
import re
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from crescent_lite.errors import MissingPackageError
from crescent_lite.printable import printable_line

PROGRAM = """
import json, llama_cpp
system_info = llama_cpp.llama_print_system_info().decode("utf-8", "replace")
print(json.dumps([llama_cpp.__version__, system_info, bool(llama_cpp.llama_supports_gpu_offload())]))
"""
"""What the child runs. Its last line of output is the answer."""
LOADING_SECONDS = 120.0
"""A load that takes longer has failed (guess): from a slow disk it takes some seconds."""
MAY_DIE = "CRESCENT_MAY_DIE"
"""Environment variable of a process whose parent reports how it ended: it loads llama.cpp without trying it first."""
PACKAGE = "llama-cpp-python"
INSTRUCTIONS: Mapping[str, str] = {
    "SSE3": "pni", "SSSE3": "ssse3", "AVX": "avx", "AVX_VNNI": "avx_vnni", "AVX2": "avx2", "F16C": "f16c",
    "FMA": "fma", "BMI2": "bmi2", "AVX512": "avx512f", "AVX512_VBMI": "avx512_vbmi", "AVX512_VNNI": "avx512_vnni",
    "AVX512_BF16": "avx512_bf16", "AMX_INT8": "amx_int8", "NEON": "asimd", "DOTPROD": "asimddp",
    "MATMUL_INT8": "i8mm", "SVE": "sve",
}  # fmt: skip
"""ggml's names of instruction sets, each with the name in Linux's /proc/cpuinfo."""


@dataclass(frozen=True)
class LlamaBuild:
    """What an installed llama.cpp was compiled with."""

    version: str
    """Version of llama-cpp-python, which contains llama.cpp."""
    features: str
    """Each backend with the instruction sets and libraries it uses."""
    can_offload: bool
    """Whether this build can put layers on a GPU."""


@functools.cache
def read_build() -> LlamaBuild:
    """Load llama.cpp in a child process and ask how it was built. Raises MissingPackageError if it cannot be used."""
    return read_build_with([sys.executable, "-P", "-c", PROGRAM])


def read_build_with(command: list[str]) -> LlamaBuild:
    """The build that a program like PROGRAM reports. Raises MissingPackageError."""
    try:
        child = subprocess.run(command, capture_output=True, timeout=LOADING_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingPackageError(f"llama.cpp cannot be loaded in a child process: {error}") from None
    if child.returncode < 0:
        raise MissingPackageError(f"llama.cpp cannot be loaded: the process {end_in_words(child.returncode)}")
    lines = (child.stderr if child.returncode else child.stdout).decode("utf-8", "replace").strip().splitlines()
    if child.returncode or not lines:
        reason = printable_line(lines[-1] if lines else "it says nothing", 500)
        raise MissingPackageError(f"llama.cpp cannot be loaded ({reason}): run `pip install {PACKAGE}`")
    version, system_info, can_offload = json.loads(lines[-1])
    if missing := missing_instructions(system_info, cpu_flags()):
        raise MissingPackageError(
            f"llama.cpp was built with {', '.join(missing)}, which this CPU lacks: {rebuilding(PACKAGE)}"
        )
    return LlamaBuild(version, features_in_words(system_info), can_offload)


def missing_instructions(system_info: str, flags: Collection[str]) -> list[str]:
    """Instruction sets that llama.cpp was built with and that the processor lacks.

    `flags` are those of /proc/cpuinfo; without any of them, nothing can be said.
    """
    used = [name for backend, name, value in _parsed(system_info) if backend == "CPU" and value == "1"]
    return [name for name in used if flags and name in INSTRUCTIONS and INSTRUCTIONS[name] not in flags]


def cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The instruction sets that the kernel lists for this processor; empty where it lists none."""
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    found = re.search(r"^(?:flags|Features)\s*:(.*)$", text, re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def features_in_words(system_info: str) -> str:
    """llama.cpp's own description, shortened: "CPU : AVX2 = 1 | AVX512 = 0 |" -> "CPU: AVX2"."""
    backends: dict[str, list[str]] = {}
    for backend, name, value in _parsed(system_info):
        features = backends.setdefault(backend, [])
        if value == "1":
            features.append(name)
        elif value != "0":
            features.append(f"{name} {value}")
    return "; ".join(f"{name}: {', '.join(features) or 'nothing special'}" for name, features in backends.items())


def _parsed(system_info: str) -> Iterator[tuple[str, str, str]]:
    """The (backend, feature, value) triples in llama.cpp's description of itself."""
    backend = "CPU"
    for part in system_info.split("|"):
        if feature := re.fullmatch(r"\s*(?:(?P<backend>\w+) : )?(?P<name>\w+) = (?P<value>.*?)\s*", part):
            backend = feature["backend"] or backend
            yield backend, feature["name"], feature["value"]


def end_in_words(exit_code: int, package: str = PACKAGE) -> str:
    """How a process ended: 'ended with code 3', 'was ended by signal 11 (Segmentation fault)'.

    A negative code is a signal, as Python reports it. An illegal instruction means that a native library, probably
    that of `package`, was built for another processor.
    """
    if exit_code >= 0:
        return f"ended with code {exit_code}"
    number = -exit_code
    if number == signal.SIGILL:
        return f"was ended by an illegal instruction: a native library does not fit this CPU; {rebuilding(package)}"
    return f"was ended by signal {number} ({signal.strsignal(number) or 'unknown'})"


def rebuilding(package: str) -> str:
    """Advice to build a package again for this processor."""
    return f"rebuild it here: pip install --force-reinstall --no-cache-dir {package}"
