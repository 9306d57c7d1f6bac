"""llama.cpp is tried in another process first: one that does not fit the processor is said in words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crescent_lite.errors import MissingPackageError
from crescent_lite.sampling.build_info import cpu_flags, end_in_words, missing_instructions, read_build_with
from crescent_lite.sampling.library import SPINS
from crescent_lite.training.child import _unexplained_error
from crescent_tui.sources.child_process import CommandResult, EngineChild

REBUILD = "does not fit this CPU; rebuild it here: pip install --force-reinstall --no-cache-dir"
KILL_ITSELF = "import os, signal; os.kill(os.getpid(), signal.{})"


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def answering(system_info: str) -> list[str]:
    return python(f"print({json.dumps(json.dumps(['0.3', system_info, False]))})")


def test_an_illegal_instruction_is_said_with_the_way_to_rebuild() -> None:
    with pytest.raises(MissingPackageError, match=f"{REBUILD} llama-cpp-python"):
        read_build_with(python(KILL_ITSELF.format("SIGILL")))
    with pytest.raises(MissingPackageError, match="signal 11 \\(Segmentation fault\\)"):
        read_build_with(python(KILL_ITSELF.format("SIGSEGV")))


@pytest.mark.parametrize("program", ["", "import no_such_library", "raise RuntimeError('no shared library')"])
def test_a_library_that_cannot_be_loaded_is_one_line(program: str) -> None:
    with pytest.raises(MissingPackageError, match=r"llama.cpp cannot be loaded .*pip install") as raised:
        read_build_with(python(program))
    assert "\n" not in str(raised.value)


def test_instructions_that_the_processor_lacks_are_named() -> None:
    info = "CUDA : ARCHS = 900 | AVX512 = 1 | CPU : SSE3 = 1 | AVX2 = 1 | AVX512 = 1 | AVX_VNNI = 0 | OPENMP = 1 | "
    assert missing_instructions(info, {"pni", "avx2", "avx512f"}) == []
    assert missing_instructions(info, {"pni"}) == ["AVX2", "AVX512"]
    assert missing_instructions(info, set()) == []


@pytest.mark.skipif("amx_int8" in cpu_flags() or not cpu_flags(), reason="this processor has every instruction")
def test_a_build_for_another_processor_is_refused_before_it_is_used() -> None:
    with pytest.raises(MissingPackageError, match="built with AMX_INT8, which this CPU lacks: rebuild it here"):
        read_build_with(answering("CPU : AMX_INT8 = 1 |"))
    assert read_build_with(answering("CPU : OPENMP = 1 |")).features == "CPU: OPENMP"


def test_flags_are_read_as_each_architecture_names_them(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    for line in ("flags\t\t: fpu avx2", "Features\t: fpu avx2"):
        cpuinfo.write_text(f"processor : 0\n{line}\n\nprocessor : 1\n")
        assert cpu_flags(cpuinfo) == {"fpu", "avx2"}
    assert cpu_flags(tmp_path / "none") == frozenset()


def test_an_engine_and_a_command_that_a_signal_ended_say_so(tmp_path: Path) -> None:
    output = tmp_path / "output.txt"
    output.write_text("12 of 40 questions\n")
    with subprocess.Popen(python(KILL_ITSELF.format("SIGILL"))) as process:
        process.wait()
        assert REBUILD in EngineChild(process, output, 0).last_line()
    assert REBUILD in CommandResult(-signal.SIGILL, "", "half a line").last_line
    assert CommandResult(-signal.SIGSEGV, "", "").last_line == f"the process {end_in_words(-signal.SIGSEGV)}"
    assert CommandResult(3, "", "crescent: no model").last_line == "no model"


def test_a_training_that_an_illegal_instruction_ended_says_so(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("loading\n")
    assert f"{REBUILD} torch" in str(_unexplained_error(-signal.SIGILL, tmp_path / "log"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variables", "spins"), [({}, str(SPINS)), ({"OMP_WAIT_POLICY": "PASSIVE"}, "0"), ({"GOMP_SPINCOUNT": "7"}, "7")]
)
def test_threads_wait_as_the_user_says_and_else_without_long_spins(variables: dict[str, str], spins: str) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    program = "import os, crescent_lite.sampling.library; print(os.environ.get('GOMP_SPINCOUNT'))"
    child = subprocess.run(
        python(program), env={**kept, **variables, "OMP_DISPLAY_ENV": "verbose"}, capture_output=True, text=True
    )
    assert f"GOMP_SPINCOUNT = '{spins}'" in child.stderr
    assert child.stdout.strip() == str(variables.get("GOMP_SPINCOUNT"))  # children decide for themselves
