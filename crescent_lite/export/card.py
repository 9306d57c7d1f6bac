"""The card of a model that a run made: where it comes from, what it was trained on, how it scored, what it cannot.

Reads the store and the base's own metadata. Everything in it is plain Markdown with a front matter that hubs read.
Example: card_text(store, run_id, {1: 1.0}, facts, usage="llama-server -m model.gguf")
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crescent_lite import __version__
from crescent_lite.printable import printable
from crescent_lite.records import ModelFile
from crescent_lite.report import build_report, report_markdown
from crescent_lite.store import Store

LIMITS = """\
- A label is what most of a model's own answers agreed on; nobody checked that it is right.
- What it was trained on is maths of one kind (the prompts below). What else changed was measured only where the
  scores say so.
- Where no difference was shown, there may be none, and a score on few items is a rough one.
- Whatever the base does wrong, this model may do too. The licence of the base holds for it.
"""


@dataclass(frozen=True)
class BaseFacts:
    """What the base says of itself; empty texts where it says nothing."""

    name: str
    license: str
    """Its short name, for instance 'apache-2.0'."""
    license_link: str
    repo_url: str


def card_text(
    store: Store,
    run_id: int,
    rounds: Mapping[int, float],
    facts: BaseFacts,
    *,
    library: str,
    usage: str,
    measured: str,
) -> str:
    """The card as Markdown. `rounds`: how much of each is in it. `usage`: a text with commands. `measured`: what the
    scores are the scores of.
    """
    run = store.runs.fetch_run(run_id)
    base = store.runs.fetch_model(run.base_id)
    report = build_report(store, run_id)
    front = {
        "library_name": library,
        "pipeline_tag": "text-generation",
        "tags": ["crescent-lite", "self-improvement", "lora"],
        "base_model": facts.repo_url.removeprefix("https://huggingface.co/") or None,
        "license": facts.license or None,
        "license_link": facts.license_link or None,
    }
    adapters = {
        number: store.runs.fetch_model(adapter_id)
        for number in rounds
        if (adapter_id := store.runs.fetch_round(run_id, number).adapter_id)
    }
    of_rounds = [
        f"- round {number}, adapter sha256 `{adapter.sha256}`"
        + ("" if rounds[number] == 1 else f", taken {rounds[number]:g} times")
        for number, adapter in adapters.items()
    ]
    asked = store.runs.fetch_run(run.teacher_id) if run.teacher_id else run
    teacher = store.runs.fetch_model(asked.base_id)
    lineage = [f"- base: {facts.name or base.name}, sha256 `{base.sha256}`, licence: {_licence(facts)}", *of_rounds]
    if run.teacher_id:
        by = f"taught by {teacher.name}"
        said = f"{teacher.name} asked itself questions and answered each several times; this model was"
        lineage.append(f"- labels: of run {run.teacher_id}, by {teacher.name}, sha256 `{teacher.sha256}`")
    else:
        by, said = "taught by itself", "The base asked itself questions, answered each several times, and was"
    prompts = dict.fromkeys(store.runs.fetch_prompts(asked.run_id) + store.runs.fetch_prompts(run_id))
    parts = [
        "---\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in front.items() if value) + "---",
        f"# {base.name}, {by}",
        f"{said} fine-tuned on what most of the answers agreed on: the method of Crescent (arXiv 2502.13441), "
        f"run by crescent-lite {__version__}.",
        "## Lineage\n\n" + "\n".join(lineage),
        f"## Use\n\n{usage.rstrip()}",
        f"## Limits\n\n{LIMITS}- {measured}",
        report_markdown(report).partition("\n")[2].strip(),
        "## Prompts\n\n" + "\n\n".join(_prompt(name, text) for name, text in prompts),
        f"## Settings\n\n```json\n{json.dumps(_settings(run.config, adapters), indent=1)}\n```",
    ]
    card = "\n\n".join(parts)
    return printable(card, max_characters=len(card)) + "\n"


def _settings(config: dict[str, Any], adapters: Mapping[int, ModelFile]) -> dict[str, Any]:
    """The run's settings, with those that each round was trained with, which may have been mended in between.

    How this machine sampled is left out, and so are its paths.
    """
    public: dict[str, Any] = without_paths({k: v for k, v in config.items() if k not in ("sampling", "overrides")})
    for number, adapter in adapters.items():
        plan = adapter.path.parent / "plan.json"
        if plan.is_file():
            trained = json.loads(plan.read_text(encoding="utf-8"))["config"]
            public[f"train, round {number}"] = without_paths(trained)
            public.pop("train", None)
    return public


def without_paths(value: Any) -> Any:
    """Of each path in plain values only the name of its file or folder. `owner/repo` is no path."""
    if isinstance(value, dict):
        return {key: without_paths(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_paths(each) for each in value]
    if isinstance(value, str) and re.match(r"(~|\.{0,2}/|[A-Za-z]:\\)", value):
        return re.split(r"[/\\]", value.rstrip("/\\"))[-1]
    return value


def _licence(facts: BaseFacts) -> str:
    named = facts.license or "not named in its GGUF; look it up before you pass this on"
    return f"{named} ({facts.license_link})" if facts.license_link else named


def _prompt(name: str, text: str) -> str:
    """Indented, so that nothing in it is Markdown."""
    indented = "\n".join(f"    {line}" for line in text.strip().splitlines())
    return f"{name}:\n\n{indented}"
