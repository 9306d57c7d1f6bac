"""A workspace whose whole run, trainings included, takes the real command seconds: its model answers 4 to everything.

Example: make_scripted_workspace(tmp_path / "data"); crescent("run", "-w", str(tmp_path / "data"))
"""

from __future__ import annotations

import json
from pathlib import Path

from tiny_model import make_scripted_gguf

from crescent_lite.workspace import Workspace

SETTINGS = """
preset = "quick"
[model]
source = "scripted.gguf"
[sampling]
slots = 4
threads = 1
[bait]
file = "mine.jsonl"
questions = {questions}
[vote]
votes_per_question = 4
[train]
epochs = {epochs}
rank = 4
min_examples = 4
checkpoint_seconds = 1
[alarms]
stop = false
[evaluate.benchmarks.sums]
source = "sums.jsonl"
items = 8
"""


def make_scripted_workspace(folder: Path, *, questions: int = 12, epochs: float = 1.0) -> Workspace:
    """A workspace with questions of its own. Every vote says 4, so every question gets a label."""
    folder.mkdir(parents=True, exist_ok=True)
    make_scripted_gguf(folder / "scripted.gguf", ["4"])
    text = SETTINGS.format(questions=questions, epochs=epochs)
    (folder / "crescent.toml").write_text(text, encoding="utf-8")
    for name, count, first in (("mine", questions, 1), ("sums", 8, 1000)):
        sums = [(first + number, 7 * number + 2) for number in range(count)]
        rows = [{"question": f"What is {a} + {b}?", "answer": str(a + b)} for a, b in sums]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Workspace(folder)
