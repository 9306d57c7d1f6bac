"""Labels are exported as data sets that other tools load; the same database gives the same bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sample_run import load_sample_run

from crescent_lite.cli import main
from crescent_lite.config.names import EXPORT_FORMATS
from crescent_lite.errors import ExitCode
from crescent_lite.export.examples import Choice, chosen_labels
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return load_sample_run(tmp_path_factory.mktemp("sets") / "data")


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    store = Store.open_read_only(workspace.database_path)
    yield store
    store.close()


def export(workspace: Workspace, *arguments: str) -> int:
    return main(["export", "-w", str(workspace.folder), *arguments])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def bytes_of(path: Path) -> dict[str, bytes]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {file.name: file.read_bytes() for file in files if file.is_file()}


@pytest.mark.parametrize("form", EXPORT_FORMATS)
def test_the_same_database_gives_the_same_bytes(workspace: Workspace, tmp_path: Path, form: str) -> None:
    for name in ("a", "b"):
        folder = tmp_path / name
        assert export(workspace, "--format", form, "--output", str(folder / "set")) == ExitCode.OK

    assert bytes_of(tmp_path / "a" / "set") == {
        name if form == "parquet" else "set": content for name, content in bytes_of(tmp_path / "b" / "set").items()
    }


def test_each_format_says_the_same(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    labels = store.database.rows("SELECT question, solution, share FROM v_labels ORDER BY question_id")
    for form in ("prompt-completion", "messages", "sharegpt", "conversational"):
        assert export(workspace, "--format", form, "--output", str(tmp_path / form)) == ExitCode.OK

    forms = ("prompt-completion", "messages", "sharegpt", "conversational")
    for label, pair, talk, chat, turns in zip(labels, *(lines(tmp_path / form) for form in forms), strict=True):
        assert (pair["prompt"], pair["completion"], pair["share"]) == tuple(label)
        assert [turn["content"] for turn in talk["messages"]] == [label[0], label[1]]
        assert [turn["role"] for turn in talk["messages"]] == ["user", "assistant"]
        assert turns["prompt"] + turns["completion"] == talk["messages"]
        assert [turn["value"] for turn in chat["conversations"]] == [label[0], label[1]]
        assert [turn["from"] for turn in chat["conversations"]] == ["human", "gpt"]


@pytest.mark.slow
def test_trl_applies_the_chat_template_to_the_default_export(workspace: Workspace, tmp_path: Path) -> None:
    data_utils = pytest.importorskip("trl.data_utils", reason="TRL is not installed (`make unsloth`)")
    tokenizers = pytest.importorskip("tokenizers")
    from transformers import PreTrainedTokenizerFast

    template = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}"
    template += "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"?": 0}, unk_token="?"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, chat_template=template)
    assert export(workspace, "--output", str(tmp_path / "default")) == ExitCode.OK
    assert export(workspace, "--format", "prompt-completion", "--output", str(tmp_path / "bare")) == ExitCode.OK

    row = lines(tmp_path / "default")[0]
    assert data_utils.is_conversational(row)
    assert not data_utils.is_conversational(lines(tmp_path / "bare")[0])
    text = data_utils.apply_chat_template({name: row[name] for name in ("prompt", "completion")}, tokenizer)
    assert text["prompt"] == f"<|user|>{row['prompt'][0]['content']}<|assistant|>"
    assert text["completion"] == row["completion"][0]["content"]


@pytest.mark.slow
def test_parquet_is_loaded_by_datasets_without_a_network(workspace: Workspace, store: Store, tmp_path: Path) -> None:
    assert export(workspace, "--format", "parquet", "--output", str(tmp_path / "set")) == ExitCode.OK

    program = """
import json, sys
from datasets import load_dataset
found = {name: load_dataset(sys.argv[1], name, split="train") for name in ("labels", "votes")}
print(json.dumps({name: [rows.num_rows, rows.column_names, rows[0]] for name, rows in found.items()}))
"""
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "set")], env=offline, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    labels = store.database.rows("SELECT * FROM v_labels ORDER BY question_id")
    assert found["labels"][0] == len(labels)
    assert found["labels"][2]["question"] == labels[0]["question"]
    votes = "SELECT count(*) FROM votes WHERE question_id IN (SELECT question_id FROM v_labels)"
    assert found["votes"][0] == store.database.value(votes)
    assert {"solution", "answer_key", "finish_reason", "vote_id"} <= set(found["votes"][1])


def test_labels_are_chosen_by_round_and_share(store: Store) -> None:
    everything = chosen_labels(store, Choice((1,)))

    assert {label.round for label in everything} == {1, 2}
    assert {label.round for label in chosen_labels(store, Choice((1,), rounds=(2,)))} == {2}
    band = chosen_labels(store, Choice((1,), min_share=0.6, max_share=0.8))
    assert band == [label for label in everything if 0.6 <= (label.share or 0) <= 0.8]
    assert 0 < len(band) < len(everything)


def test_another_policy_decides_from_the_stored_votes(store: Store) -> None:
    as_decided = chosen_labels(store, Choice((1,)))
    assert chosen_labels(store, Choice((1,), policy="majority")) == as_decided
    reference = chosen_labels(store, Choice((1,), policy="reference"))
    assert len(reference) == store.database.value("SELECT count(*) FROM consensus")
    band = chosen_labels(store, Choice((1,), policy="band"))
    assert {label.question_id for label in band} < {label.question_id for label in as_decided}
    assert max(label.share or 0 for label in band) <= 0.8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gguf", "--format", "messages"], "there is no option '--format'"),
        (["adapter", "--min-share", "0.5"], "there is no option '--min-share'"),
        (["examples", "--rounds", "1=0.5"], "'1=0.5' is not a whole number"),
        (["gguf", "--run", "1", "2"], "unexpected argument '2'"),
        (["examples", "--run", "9"], "run 9: not"),
    ],
)
def test_what_does_not_go_together_is_one_line(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert export(workspace, *arguments) in (ExitCode.USAGE, ExitCode.NOT_FOUND)

    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_an_existing_folder_is_not_replaced_if_a_path_was_given(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "set"
    mine.mkdir()
    (mine / "mine").touch()

    assert export(workspace, "--format", "parquet", "--output", str(mine)) == ExitCode.STORAGE

    assert [path.name for path in mine.iterdir()] == ["mine"]
    assert "exists already" in capsys.readouterr().err
