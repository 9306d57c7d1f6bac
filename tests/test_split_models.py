"""A split GGUF is one model: its parts are checked, planned for, sampled, merged and scored together."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import gguf
import numpy as np
from fake_sampler import FakeSampler
from small_workspace import make_workspace
from tiny_model import link_into_cache, make_tiny_gguf, split_gguf

from crescent_lite.engine import RunOptions, run_evaluation
from crescent_lite.events import RunStarted, StageFinished
from crescent_lite.report import build_document, build_report, report_markdown
from crescent_lite.sampling.decoding import decoding_problems
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.quantising import encode_rows
from crescent_lite.store import Store
from crescent_lite.training.base_gguf import read_base
from crescent_lite.training.merging import merge
from crescent_lite.workspace import Workspace


def evaluated(workspace: Workspace, *overrides: str) -> tuple[str, int]:
    """Evaluate the base; the name that the run shows, and the tokens that were sampled for it."""
    events = list(
        run_evaluation(workspace, RunOptions(overrides=overrides), None, lambda _path, _config: FakeSampler())
    )
    names = [event.model for event in events if isinstance(event, RunStarted)]
    return names[0], sum(event.tokens for event in events if isinstance(event, StageFinished))


def test_a_split_model_has_the_tensors_of_all_parts(tmp_path: Path) -> None:
    whole = make_tiny_gguf(tmp_path / "tiny.gguf")
    first, *_ = split_gguf(whole, tmp_path / "parts", tensors_per_part=7)
    ours, theirs = read_base(first), read_base(whole)
    assert (ours.shapes, ours.parameters) == (theirs.shapes, theirs.parameters)
    shapes = [GgufModel(path, vocabulary_only=True).shape for path in (first, whole)]
    assert shapes[0] == shapes[1]
    merge(first, [], tmp_path / "joined.gguf", tensor_type="same", encode=encode_rows, metadata={})
    joined, source = gguf.GGUFReader(tmp_path / "joined.gguf"), gguf.GGUFReader(whole)
    assert {name for name in joined.fields if name.startswith("split.")} == set()
    tensors = {tensor.name: tensor.data for tensor in joined.tensors}
    assert all(np.array_equal(tensors.pop(tensor.name), tensor.data) for tensor in source.tensors)
    assert tensors == {}


def test_links_to_the_parts_in_a_cache_decode_under_their_own_names(tmp_path: Path) -> None:
    parts = split_gguf(make_tiny_gguf(tmp_path / "tiny.gguf"), tmp_path / "parts")
    links = link_into_cache(parts, tmp_path / "cache")
    assert decoding_problems(links[:1]) == {links[0]: ""}


def test_changed_weights_in_any_part_take_no_stored_scores(tmp_path: Path) -> None:
    parts = split_gguf(make_tiny_gguf(tmp_path / "tiny.gguf"), tmp_path / "parts")
    workspace = make_workspace(tmp_path / "w", parts[0])
    name, sampled = evaluated(workspace)
    assert (name, sampled > 0) == ("tiny", True)
    assert evaluated(workspace) == ("tiny", 0)
    content = bytearray(parts[-1].read_bytes())
    content[-1] ^= 1
    parts[-1].write_bytes(content)
    assert evaluated(workspace) == ("tiny", sampled)


def test_a_run_shows_the_name_that_it_was_given(tmp_path: Path) -> None:
    """Two runs of the same bytes, each through a link of another name into a cache."""
    link, *_ = link_into_cache([make_tiny_gguf(tmp_path / "first.gguf")], tmp_path / "cache")
    second = link.with_name("second.v2.gguf")
    second.symlink_to(link.readlink())
    workspace = make_workspace(tmp_path / "w", link)
    assert evaluated(workspace)[0] == "first"
    assert evaluated(workspace, f"model.source={str(second)!r}") == ("second.v2", 0)
    with closing(Store.open_read_only(workspace.database_path)) as store:
        for run_id, name in ((1, "first"), (2, "second.v2")):
            assert f"Base: {name}, " in report_markdown(build_report(store, run_id))
            assert build_document(store, run_id).title == f"Run {run_id} of {name}"
        assert [line.base for line in store.watching.fetch_runs()] == ["second.v2", "first"]
