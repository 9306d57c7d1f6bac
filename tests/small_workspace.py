"""Workspaces for tests: small counts, a tiny model, a benchmark file beside them."""

from __future__ import annotations

import json
from pathlib import Path

from tiny_model import make_tiny_gguf

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
