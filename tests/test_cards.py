"""Cards are valid for the Hugging Face hub, whatever a GGUF says about itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_run import load_sample_run

from crescent_lite.cli import main
from crescent_lite.errors import ExitCode
from crescent_lite.export.card import BaseFacts, card_text
from crescent_lite.export.front_matter import LICENCES, front_matter, is_repo, licence_fields, repo_of
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

hub = pytest.importorskip("huggingface_hub")
OWN = {"license": "other", "license_name": "my-own-terms"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return load_sample_run(tmp_path_factory.mktemp("cards") / "data")


@pytest.fixture
def store(workspace: Workspace) -> Iterator[Store]:
    store = Store.open_read_only(workspace.database_path)
    yield store
    store.close()


def card_of(store: Store, facts: BaseFacts) -> str:
    return card_text(store, 1, {1: 1.0}, facts, library="llama.cpp", usage="    llama-server", measured="")


def front_of(store: Store, facts: BaseFacts) -> dict[str, Any]:
    return dict(hub.ModelCard(card_of(store, facts)).data.to_dict())


@pytest.mark.parametrize(
    ("repo_url", "licence", "link", "expected"),
    [
        ("https://huggingface.co/a/b", "apache-2.0", "", {"base_model": "a/b", "license": "apache-2.0"}),
        ("https://example.org/x", "My own terms", "", OWN),
        ("https://huggingface.co/a/b/", "Apache License 2.0", "x", {"base_model": "a/b", "license": "apache-2.0"}),
        ("http://hf.co/a/b/tree/main", "MIT License", "", {"base_model": "a/b", "license": "mit"}),
        ("https://huggingface.co/datasets/b", "my own: terms", "LICENSE", OWN),
        ("a/b", "My own terms", "https://x.org/l", OWN | {"license_link": "https://x.org/l"}),
        ("https://huggingface.co/a/b.git", "", "https://x.org/l", {}),
        ("https://huggingface.co/a--b/c", "\n", "", {}),
        ("", "- ] : }", "javascript:x", {"license": "other", "license_name": "unnamed"}),
    ],
)
def test_the_front_matter_of_a_model_has_only_values_that_the_hub_accepts(
    repo_url: str, licence: str, link: str, expected: dict[str, str], store: Store
) -> None:
    front = front_of(store, BaseFacts("base", licence, link, repo_url))
    assert {
        key: front[key] for key in front if key not in ("library_name", "pipeline_tag", "tags", "model-index")
    } == expected


def test_a_base_from_the_hub_is_named_as_the_run_names_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    run = store.runs.fetch_run(1)
    run.config["model"]["source"] = "someone/tiny-GGUF:tiny-Q8_0.gguf"
    monkeypatch.setattr(store.runs, "fetch_run", lambda *_: run)
    assert front_of(store, BaseFacts("base", "", "", "https://example.org"))["base_model"] == "someone/tiny-GGUF"
    assert front_of(store, BaseFacts("base", "", "", "https://hf.co/a/b"))["base_model"] == "a/b"
    assert "\n# tiny-Q8\\_0, taught by itself\n" in card_of(store, BaseFacts("", "", "", ""))


def test_the_front_matter_of_a_data_set_is_read(workspace: Workspace, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    arguments = ["-w", str(workspace.folder), "--format", "parquet", "--output", str(tmp_path / "set")]
    assert main(["export", "examples", *arguments]) == ExitCode.OK
    data = hub.DatasetCard.load(tmp_path / "set" / "README.md").data
    assert [each["config_name"] for each in data.configs] == ["labels", "votes"]
    assert all((tmp_path / "set" / each["data_files"]).is_file() for each in data.configs)
    assert data.tags == ["self-consistency", "synthetic"]


@settings(max_examples=50, deadline=None)
@given(st.from_regex(r"[\w.-]{1,12}(/[\w.-]{1,12}){0,2}|[\w./-]{95,99}", fullmatch=True))
def test_a_repo_has_a_name_that_the_hubs_client_accepts(name: str) -> None:
    if is_repo(name):
        hub.utils.validate_repo_id(name)
        assert name.count("/") == 1
        assert repo_of(f"https://huggingface.co/{name}") in (name, None)


@settings(max_examples=50, deadline=None)
@given(st.text(), st.text())
def test_any_licence_is_a_known_one_or_a_named_other(name: str, link: str) -> None:
    fields = licence_fields(name, link)
    read = hub.ModelCard(front_matter({"tags": ["x"], **fields}) + "\n").data.to_dict()
    assert {key: read.get(key) for key in fields} == fields
    assert not fields or fields["license"] in LICENCES or fields["license_name"]
