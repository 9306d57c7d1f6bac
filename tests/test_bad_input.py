"""Every mistake of a user gets one clear line and its exit code; nothing is lost."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import gguf
import pytest
from fake_sampler import FakeSampler
from small_workspace import make_workspace
from tiny_model import make_tiny_adapter, make_tiny_gguf, rewrite_gguf

from crescent_lite.cli import main
from crescent_lite.config import TrainConfig
from crescent_lite.engine import RunOptions, run_engine, run_evaluation
from crescent_lite.errors import CrescentError, ExitCode, ModelError, StageError
from crescent_lite.events import RunStarted
from crescent_lite.store import Store
from crescent_lite.training import refuse_untrainable
from crescent_lite.workspace import Workspace

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """A function that runs `crescent run` in the workspace at tmp_path; returns exit code and last line on stderr."""

    def command(*arguments: str, name: str = "run") -> tuple[int, str]:
        code = main([name, "-w", str(tmp_path), *arguments])
        lines = capsys.readouterr().err.strip().splitlines()
        return code, lines[-1] if lines else ""

    return command


def test_a_folder_that_is_not_a_workspace(run: Run) -> None:
    code, line = run()

    assert code == ExitCode.WORKSPACE
    assert "crescent init" in line


def test_a_missing_model(run: Run, tmp_path: Path) -> None:
    make_workspace(tmp_path, "nowhere.gguf")

    code, line = run()

    assert code == ExitCode.MODEL
    assert "no file 'nowhere.gguf'" in line


def test_a_truncated_model(run: Run, tmp_path: Path) -> None:
    whole = make_tiny_gguf(tmp_path / "tiny.gguf")
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    make_workspace(tmp_path, whole)

    code, line = run()

    assert code == ExitCode.MODEL
    assert "tiny.gguf: not a readable GGUF file, or an incomplete one" in line


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (None, "has no chat template"),
        ("{{ messages[0]['content'] * 2 }}", "exactly once"),
        ("{% for", "cannot be rendered"),
        ("{{ messages.__class__.__mro__ }}", "cannot be rendered"),
        ("{{ raise_exception('only for tools') }}", "only for tools"),
        ("{{ 1 / 0 }}", "cannot be rendered"),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "did not finish"),
        ("{{ 9 ** (9 ** 9) }}", "did not finish"),
        ("{{ 'a' * 4000000000 }}", "MemoryError"),
        ("{{ 'a' * 4000000 }}", "its text is too long"),
    ],
)
@pytest.mark.slow
def test_a_chat_template_that_is_missing_or_hostile(template: str | None, why: str, run: Run, tmp_path: Path) -> None:
    make_workspace(tmp_path, make_tiny_gguf(tmp_path / "tiny.gguf", chat_template=template))

    code, line = run()

    assert code == ExitCode.MODEL
    assert why in line


@pytest.mark.parametrize(("architecture", "kind"), [("clip", "model"), ("llama", "adapter")])
def test_a_gguf_that_is_not_a_language_model(architecture: str, kind: str, run: Run, tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "other.gguf", architecture)
    writer.add_type(kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    make_workspace(tmp_path, tmp_path / "other.gguf")

    code, line = run()

    assert code == ExitCode.MODEL
    assert "other.gguf" in line


def test_an_untrainable_architecture_is_rejected_before_anything_is_asked(run: Run, tmp_path: Path) -> None:
    make_workspace(tmp_path, make_tiny_gguf(tmp_path / "tiny.gguf", "granite"))  # type: ignore[arg-type]

    code, line = run()

    assert code == ExitCode.TRAINING
    assert "'granite' cannot be fine-tuned here; choose a model with one of these: llama, qwen2" in line
    assert "set train.min_examples above bait.questions (40)" in line


@pytest.mark.parametrize(
    ("key", "value", "code", "words"),
    [
        ("llama.rope.scaling.type", "yarn", ExitCode.MODEL, r"its positions are scaled (yarn)"),
        ("llama.rope.scaling.factor", 4.0, ExitCode.MODEL, r"its positions are scaled (linear)"),
        ("llama.rope.scale_linear", 4.0, ExitCode.MODEL, r"its positions are scaled (linear)"),
        ("llama.rope.scaling.attn_factor", 2.0, ExitCode.MODEL, r"its positions are scaled (attention)"),
        (
            "split.count",
            2,
            ExitCode.MODEL,
            "is one of 2 parts of a split model, and its name does not",
        ),
    ],
)
def test_what_would_fail_in_training_is_reported_before_anything_is_asked(
    key: str, value: str | float, code: ExitCode, words: str, tmp_path: Path
) -> None:
    def change(writer: gguf.GGUFWriter) -> None:
        {str: writer.add_string, float: writer.add_float32, int: writer.add_uint16}[type(value)](key, value)

    odd = rewrite_gguf(make_tiny_gguf(tmp_path / "tiny.gguf"), tmp_path / "odd.gguf", change)
    with pytest.raises(CrescentError) as caught:
        refuse_untrainable(odd, TrainConfig())
    assert caught.value.exit_code == code
    assert words in str(caught.value)


def test_examples_longer_than_the_models_context_are_rejected_before_anything_is_asked(
    run: Run, tmp_path: Path
) -> None:
    make_workspace(tmp_path)

    code, line = run("--set", "train.max_example_tokens=513")

    assert code == ExitCode.CONFIG
    assert "train.max_example_tokens is 513, but the model's context is 512: lower it" in line


def test_an_adapter_of_another_base(run: Run, tmp_path: Path) -> None:
    make_workspace(tmp_path)

    code, line = run("--adapter", str(make_tiny_adapter(tmp_path / "a.gguf", base_sha256="c0ffee" * 8)), name="eval")

    assert code == ExitCode.MODEL
    assert "a.gguf: was trained on a base with checksum c0ffeec0ffee; tiny.gguf has " in line


def test_an_adapter_that_is_a_model(run: Run, tmp_path: Path) -> None:
    make_workspace(tmp_path)

    code, line = run("--adapter", str(tmp_path / "tiny.gguf"), name="eval")

    assert code == ExitCode.MODEL
    assert "tiny.gguf: is not a GGUF adapter" in line


def test_an_unknown_key_names_the_nearest(run: Run, tmp_path: Path) -> None:
    make_workspace(tmp_path)

    code, line = run("--set", "vote.votes_per_qestion=3")

    assert code == ExitCode.CONFIG
    assert "did you mean 'votes_per_question'?" in line


def test_an_ill_typed_value(run: Run, tmp_path: Path) -> None:
    make_workspace(tmp_path)
    with (tmp_path / "crescent.toml").open("a") as file:
        file.write('seed = "three"\n')

    code, line = run()

    assert code == ExitCode.CONFIG
    assert str(tmp_path / "crescent.toml") in line
    assert "must be a whole number, not 'three'" in line


def test_a_workspace_in_use(run: Run, tmp_path: Path) -> None:
    with make_workspace(tmp_path).lock():
        code, line = run()

    assert code == ExitCode.WORKSPACE
    assert f"in use by another run (process {os.getpid()})" in line


def test_a_database_of_a_newer_version(run: Run, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    store = Store.open(workspace.database_path)
    store.database.write(
        "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('crescent_lite', 'm999_x', '')"
    )
    store.close()

    code, line = run()

    assert code == ExitCode.WORKSPACE
    assert "newer crescent-lite" in line


def test_too_little_memory_for_the_context(run: Run, tmp_path: Path) -> None:
    make_workspace(tmp_path)

    code, line = run("--set", "sampling.memory_gb=0.1", "--set", "sampling.context_tokens=1000000")

    assert code == ExitCode.MEMORY
    assert "sampling: 1,000,000 tokens of context" in line


def test_a_benchmark_with_a_bad_row(run: Run, tmp_path: Path) -> None:
    make_workspace(tmp_path)
    with (tmp_path / "sums.jsonl").open("r+") as file:
        rows = file.readlines()
        rows[4] = json.dumps({"question": "What is 1 + 1?"}) + "\n"
        file.seek(0)
        file.writelines(rows)

    code, line = run()

    assert code == ExitCode.BENCHMARK
    assert "sums.jsonl" in line
    assert "5" in line


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_workspace(run: Run, tmp_path: Path) -> None:
    make_workspace(tmp_path)
    tmp_path.chmod(0o500)
    try:
        code, line = run()
    finally:
        tmp_path.chmod(0o700)

    assert code == ExitCode.STORAGE
    assert str(tmp_path) in line


def test_a_question_that_is_not_there(run: Run, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    Store.open(workspace.database_path).close()

    assert run("question", "7", name="show")[0] == ExitCode.NOT_FOUND


@pytest.mark.parametrize("text", ["", "   \n"])
@pytest.mark.slow
def test_a_model_whose_every_reply_is_empty_stops_the_stage(text: str, tmp_path: Path) -> None:
    workspace: Workspace = make_workspace(tmp_path)
    options = RunOptions(overrides=("bait.questions=500", "bait.assistant_prefix=''"))

    with pytest.raises(StageError, match="100 empty texts in a row"):
        list(run_engine(workspace, options, lambda _path, _config: FakeSampler(text)))

    store = Store.open_read_only(workspace.database_path)
    run = store.runs.fetch_run()
    assert run.state == "failed"
    assert run.reason is not None
    assert store.database.value("SELECT count(*) FROM questions") == 100


def engine_run(workspace: Workspace, *overrides: str, replies: str | None = None, limit: int = 10_000) -> int:
    """Run an engine with the fake sampler for up to `limit` events; returns their number."""
    options = RunOptions(overrides=overrides)
    with closing(run_engine(workspace, options, lambda _path, _config: FakeSampler(replies))) as events:
        return sum(1 for _ in itertools.islice(events, limit))


@pytest.mark.slow
def test_a_run_that_failed_before_its_first_item_is_replaced(tmp_path: Path) -> None:
    def fails(*_: object) -> FakeSampler:
        raise ModelError("tiny.gguf: cannot be loaded")

    workspace = make_workspace(tmp_path, min_examples=1000)
    with pytest.raises(ModelError):
        list(run_engine(workspace, RunOptions(), fails))

    engine_run(workspace)

    with closing(Store.open_read_only(workspace.database_path)) as store:
        assert [store.runs.fetch_run(number).state for number in (1, 2)] == ["failed", "finished"]


def test_a_run_that_a_bug_ends_before_its_first_item_does_not_stay_running(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)

    def broken(_path: Path, _config: object) -> FakeSampler:
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        list(run_engine(workspace, RunOptions(), broken))

    run = Store.open_read_only(workspace.database_path).runs.fetch_run()
    assert (run.state, run.reason) == ("failed", "ZeroDivisionError: a bug")


def test_a_run_that_was_killed_before_its_first_item_is_stopped_when_the_next_one_starts(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)
    with closing(run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler())) as events:
        next(events)
    with closing(Store.open(workspace.database_path)) as store:
        store.runs.set_state(1, "running")  # as a kill leaves it

    engine_run(workspace, limit=2)

    with closing(Store.open_read_only(workspace.database_path)) as store:
        states = [(run.run_id, run.state, run.reason) for run in map(store.runs.fetch_run, (1, 2))]
    assert states == [(1, "stopped", "its engine was killed"), (2, "stopped", "asked to stop")]


@pytest.mark.slow
def test_examples_that_are_all_too_long_are_the_outcome_of_the_round(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path)
    engine_run(workspace, "train.max_example_tokens=8")
    with closing(Store.open_read_only(workspace.database_path)) as store:
        outcome = store.runs.fetch_round(1, 1).outcome
    assert outcome is not None
    assert re.fullmatch(r"not trained: too few of the \d+ labels have at most 8 tokens", outcome)


@pytest.mark.slow
def test_a_resumed_run_takes_changed_machine_settings_and_keeps_the_others(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)
    engine_run(workspace, limit=60)

    options = RunOptions(overrides=("sampling.slots=3", "vote.min_share=0.9"))
    events = run_engine(workspace, options, lambda _path, _config: FakeSampler())
    started = next(events)
    events.close()

    assert isinstance(started, RunStarted)
    assert (started.resumed, started.kept_settings) == (True, ("vote.min_share",))
    config = Store.open_read_only(workspace.database_path).runs.fetch_run().config
    assert (config["sampling"]["slots"], config["vote"]["min_share"]) == (3, 0.5)


def test_a_resumed_run_respects_its_command_line(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)
    engine_run(workspace, "train.rank=7", "train.alpha=9", "vote.min_share=0.3", limit=60)

    for options in (RunOptions(overrides=("train.alpha=11", "vote.min_share=0.7")), RunOptions()):
        events = run_engine(workspace, options, lambda _path, _config: FakeSampler())
        started = next(events)
        events.close()
    assert isinstance(started, RunStarted)
    assert started.kept_settings == ()
    config = Store.open_read_only(workspace.database_path).runs.fetch_run().config
    assert (config["train"]["rank"], config["train"]["alpha"], config["vote"]["min_share"]) == (7, 11, 0.3)


def test_a_run_does_not_go_on_with_another_benchmark(run: Run, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)
    engine_run(workspace, limit=60)

    (tmp_path / "sums.jsonl").write_text(json.dumps({"question": "What is 70 + 1?", "answer": "71"}) + "\n")
    code, line = run()
    assert code == ExitCode.WORKSPACE
    assert "the benchmark sums has changed" in line


def test_an_evaluation_leaves_an_unfinished_run_to_be_resumed(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, min_examples=1000)
    engine_run(workspace, limit=60)
    list(run_evaluation(workspace, RunOptions(), None, lambda _path, _config: FakeSampler()))

    started = next(run_engine(workspace, RunOptions(), lambda _path, _config: FakeSampler()))

    assert isinstance(started, RunStarted)
    assert (started.run_id, started.resumed) == (1, True)


def test_every_error_has_an_exit_code_of_its_own() -> None:
    codes = [kind.exit_code for kind in CrescentError.__subclasses__()]

    assert len(set(codes)) == len(codes)
    assert ExitCode.OK not in codes
