"""Writes the card of an exported model: its lineage, use, limits, scores, prompts and settings.

Reads the store; writes no file. A card is plain Markdown with the front matter that model hubs read. Example:
    card_text(store, 1, {1: 1.0}, facts, library="llama.cpp", usage="    llama-server -m model.gguf", measured="")
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crescent_lite.config.names import VERSION
from crescent_lite.export.front_matter import front_matter, is_repo, licence_fields, repo_of
from crescent_lite.models import HUB_REFERENCE
from crescent_lite.models.hub_rows import HUB
from crescent_lite.printable import printable
from crescent_lite.records import ModelFile
from crescent_lite.redaction import shareable_settings
from crescent_lite.report import build_report, report_markdown
from crescent_lite.report.markdown import inline
from crescent_lite.store import Store

LIMITS = """\
- A label is the answer that enough of the model's own votes agreed on; nobody checked that it is right.
- The model was trained on one kind of maths questions (see the prompts below). Other abilities were measured only if
  the scores say so.
- Where no difference was shown, there may be none, and a score on few items is imprecise.
- This model may make every mistake that the base makes. The licence of the base applies to it.
"""


@dataclass(frozen=True)
class BaseFacts:
    """What the base's GGUF says about itself; a text is empty if the GGUF does not say it."""

    name: str
    license: str
    """The licence's name, as the GGUF has it, for instance 'apache-2.0'."""
    license_link: str
    repo_url: str
    """Address of the Hugging Face repo."""


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
    """Return the card as Markdown.

    `rounds`: round -> weight of its adapter in the model. `library`: name of the library that loads the model.
    `usage`: Markdown with the commands. `measured`: a sentence that says which model the scores belong to.
    """
    run = store.runs.fetch_run(run_id)
    base = store.runs.fetch_base(run)
    report = build_report(store, run_id)
    front = {
        "library_name": library,
        "pipeline_tag": "text-generation",
        "tags": ["crescent-lite", "self-improvement", "lora"],
        "base_model": repo_of(facts.repo_url) or _repo_of_source(base.source),
        **licence_fields(facts.license, facts.license_link),
        "datasets": _hub_datasets(run.config),
        "model-index": _model_index(store, run_id, rounds, base.name),
    }
    adapters = {
        number: store.runs.fetch_model(adapter_id)
        for number in rounds
        if (adapter_id := store.runs.fetch_round(run_id, number).adapter_id)
    }
    of_rounds = [
        f"- round {number}, adapter sha256 `{adapter.sha256}`"
        + ("" if rounds[number] == 1 else f", with weight {rounds[number]:g}")
        for number, adapter in adapters.items()
    ]
    asked = store.runs.fetch_run(run.teacher_id) if run.teacher_id else run
    teacher = store.runs.fetch_base(asked)
    lineage = [
        f"- base: {inline(facts.name or base.name)}, sha256 `{base.sha256}`, licence: {_licence(facts)}",
        *of_rounds,
    ]
    if run.teacher_id:
        by = f"taught by {inline(teacher.name)}"
        said = f"{inline(teacher.name)} asked itself questions and answered each several times; this model was"
        lineage.append(f"- labels: from run {run.teacher_id} of {inline(teacher.name)}, sha256 `{teacher.sha256}`")
    else:
        by, said = "taught by itself", "The base asked itself questions, answered each several times, and was"
    prompts = dict.fromkeys(store.runs.fetch_prompts(asked.run_id) + store.runs.fetch_prompts(run_id))
    parts = [
        front_matter(front),
        f"# {inline(base.name)}, {by}",
        f"{said} fine-tuned on the answers that enough of the votes agreed on. This is Crescent's method "
        f"(arXiv 2502.13441), run by crescent-lite {VERSION}.",
        "## Lineage\n\n" + "\n".join(lineage),
        f"## Use\n\n{usage.rstrip()}",
        f"## Limits\n\n{LIMITS}- {measured}",
        report_markdown(report).partition("\n")[2].strip(),
        "## Prompts\n\n" + "\n\n".join(_prompt(name, text) for name, text in prompts),
        f"## Settings\n\n```json\n{json.dumps(_settings(run.config, adapters), indent=1)}\n```",
    ]
    card = "\n\n".join(parts)
    return printable(card, max_characters=len(card)) + "\n"


def _hub_datasets(config: Mapping[str, Any]) -> list[str]:
    """The data set of the hub whose questions were voted on, if they came from one."""
    source = str(config.get("bait", {}).get("file", ""))
    repo = source.removeprefix(HUB)
    return [repo] if source.startswith(HUB) and is_repo(repo) else []


def _model_index(store: Store, run_id: int, rounds: Mapping[int, float], name: str) -> list[dict[str, Any]]:
    """The scores in the form that the hub reads; empty for a mixture of rounds, which was not measured."""
    if list(rounds.values()) != [1.0]:
        return []
    (number,) = rounds
    results = []
    for each in store.evaluations.fetch_evaluations(run_id):
        if each.round_number != number or each.samples > 1:
            continue
        right, judged = store.evaluations.count_right(each.evaluation_id, "flexible")
        prompt = each.prompt.rpartition("/")[2]
        metric = {"type": "accuracy", "name": f"accuracy, prompt {prompt}", "value": round(right / max(judged, 1), 4)}
        results.append(
            {
                "task": {"type": "text-generation"},
                "dataset": {"type": each.benchmark, "name": each.benchmark},
                "metrics": [metric],
            }
        )
    return [{"name": name, "results": results}] if results else []


def _settings(config: dict[str, Any], adapters: Mapping[int, ModelFile]) -> dict[str, Any]:
    """Return the run's settings, and the training settings of each round, which may have been changed in between.

    Settings of sampling, paths of this machine and what may hold a secret are left out.
    """
    shareable = shareable_settings({name: value for name, value in config.items() if name != "sampling"})
    public: dict[str, Any] = without_paths(shareable)
    for number, adapter in adapters.items():
        plan = adapter.path.parent / "plan.json"
        if plan.is_file():
            try:
                trained = json.loads(plan.read_text(encoding="utf-8"))["config"]
            except (OSError, ValueError, KeyError, TypeError, RecursionError):
                continue  # a damaged file, which nothing else depends on
            public[f"train, round {number}"] = without_paths(trained)
            public.pop("train", None)
    return public


def without_paths(value: Any) -> Any:
    """Replace each path in plain values by the name of its file or folder. `owner/repo` is not a path and stays."""
    if isinstance(value, dict):
        return {key: without_paths(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_paths(each) for each in value]
    if isinstance(value, str) and re.match(r"(~|\.{0,2}/|[A-Za-z]:\\)", value):
        return re.split(r"[/\\]", value.rstrip("/\\"))[-1]
    return value


def _repo_of_source(source: str) -> str | None:
    """The repo of `owner/name:file`, which is how a run names a file on the hub; None for any other source."""
    repo = source.partition(":")[0] if HUB_REFERENCE.fullmatch(source) else ""
    return repo if is_repo(repo) else None


def _licence(facts: BaseFacts) -> str:
    named = facts.license or "not named in its GGUF; look it up before you share this model"
    return inline(f"{named} ({facts.license_link})" if facts.license_link else named)


def _prompt(name: str, text: str) -> str:
    """A prompt as an indented block, in which nothing is read as Markdown."""
    indented = "\n".join(f"    {line}" for line in text.strip().splitlines())
    return f"{inline(name)}:\n\n{indented}"
