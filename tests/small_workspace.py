"""Workspaces for tests: small counts, a tiny model, a benchmark file beside them."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

from tiny_model import as_base, make_tiny_adapter, make_tiny_gguf

from crescent_lite.config import load_config
from crescent_lite.models import sha256_of
from crescent_lite.prompts.sets import load_prompt_set
from crescent_lite.records import ModelFile, TrainedAdapter
from crescent_lite.store import Store
from crescent_lite.workspace import Workspace

SETTINGS = """
preset = "quick"
[model]
source = "{model}"
[bait]
questions = 40
[vote]
votes_per_question = 4
[train]
epochs = 1.0
rank = 4
min_examples = {min_examples}
[evaluate.benchmarks.sums]
source = "sums.jsonl"
items = 20
"""


def make_workspace(folder: Path, model: Path | str | None = None, min_examples: int = 4) -> Workspace:
    """A workspace whose run takes seconds; with a tiny random model where none is given.

    With a large `min_examples` no round trains anything.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = model or make_tiny_gguf(folder / "tiny.gguf")
    settings = SETTINGS.replace("{model}", str(source)).replace("{min_examples}", str(min_examples))
    (folder / "crescent.toml").write_text(settings, encoding="utf-8")
    rows = [{"question": f"What is {n} + {n + 3}?", "answer": str(2 * n + 3)} for n in range(20)]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Workspace(folder)


def workspace_with_adapter(folder: Path) -> Workspace:
    """A run of the tiny model whose first round has an adapter, and whose second one has none. Nothing was asked."""
    workspace = make_workspace(folder)
    adapter = make_tiny_adapter(folder / "adapters" / "run-1" / "round-1" / "adapter.gguf")
    with closing(Store.open(workspace.database_path)) as store:
        base_id = store.runs.insert_model(as_base(folder / "tiny.gguf"))
        solve = load_prompt_set("arithmetic").solve
        store.runs.insert_prompt(solve)
        run_id = store.runs.insert_run("improvement", base_id, {"the prompt": solve.sha256})
        store.runs.set_plan(run_id, load_config(workspace.config_path).as_dict(), 2)
        this = store.runs.insert_round(run_id, 1, base_id)
        training_id = store.trainings.start_training(this.round_id, [])
        adapter_id = store.runs.insert_model(
            ModelFile("adapter", adapter, sha256_of(adapter), "trained by adapter", "adapter"), base_id
        )
        trained = TrainedAdapter(adapter, Path("peft"), "peft", 1.0)
        store.trainings.finish_training(training_id, this.round_id, trained, adapter_id)
        store.runs.insert_round(run_id, 2, base_id)
    return workspace
