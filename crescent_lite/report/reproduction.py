"""How a run was made: machine, versions, seed, checksums, trainings, prompts and all settings.

Reads the store. Example: settings_table({"run": {"seed": 1}}).rows -> (("run.seed", "1"),)
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from crescent_lite.events import STAGES
from crescent_lite.redaction import shareable_settings
from crescent_lite.report.content import Excerpt, Section, Table
from crescent_lite.report.excerpts import cut
from crescent_lite.store import Round, Run, Store

MOST_CHARACTERS = 300
"""Most characters of a setting's value that are shown."""
PROMPT_CHARACTERS = 3000
"""Most characters of a prompt that are shown."""


def making_section(store: Store, run: Run, rounds: list[Round]) -> Section:
    """The section with everything that is needed to repeat the run."""
    seed = run.config.get("run", {}).get("seed")
    lines = (
        f"Made by crescent-lite {run.version or 'of an unknown version'}. Started {run.started_at}"
        + (f", finished {run.finished_at} (UTC)." if run.finished_at else " (UTC); not finished."),
        f"Seed: {seed} (run.seed). The seed of each question, vote and reply is derived with SHA-256 from this seed, "
        "the key of the request and the number of the sample, and is stored with the text."
        if seed is not None
        else "No settings are stored yet.",
    )
    tables = [machine_table(store, run), models_table(store, run, rounds), trainings_table(store, rounds)]
    tables += [inputs_table(run), settings_table(shareable_settings(run.config))]
    prompts = tuple(
        Excerpt(name, (), (("The prompt", cut(text, PROMPT_CHARACTERS)),))
        for name, text in store.runs.fetch_prompts(run.run_id)
    )
    return Section("making", "How it was made", lines, tables=tuple(t for t in tables if t.rows), excerpts=prompts)


def machine_table(store: Store, run: Run) -> Table:
    """A table of the machines and versions that the run was made with."""
    rows: dict[tuple[str, ...], None] = {}
    for noted in store.runs.fetch_events(run.run_id, "MachineNoted"):
        packages = ", ".join(f"{name} {version}" for name, version in noted["packages"].items())
        gpus = "; ".join(noted["gpus"]) or "none"
        cores = f"{noted['processor']}, {noted['cores']} cores, {noted['memory_gib']} GiB of memory"
        rows[cores, gpus, f"{noted['system']}, Python {noted['python']}", packages] = None
    note = "One row for each machine or set of versions that worked on the run."
    if not rows:
        rows["not stored: this version of crescent-lite did not note it", "", "", run.version] = None
        note = ""
    return Table("Machine and versions", ("machine", "GPU", "system", "packages"), tuple(rows), note)


def models_table(store: Store, run: Run, rounds: list[Round]) -> Table:
    """A table of the base and the adapters, with their checksums."""
    models = [("base", store.runs.fetch_base(run))]
    models += [(f"round {r.number}", store.runs.fetch_model(r.adapter_id)) for r in rounds if r.adapter_id]
    rows = tuple((what, model.name, cut(model.source, 100), model.sha256) for what, model in models)
    return Table("Models", ("what", "name", "from", "sha256"), rows)


def trainings_table(store: Store, rounds: list[Round]) -> Table:
    """A table of the trainings that made an adapter."""
    rows = []
    for this in rounds:
        if done := store.trainings.fetch_finished(this.round_id):
            details = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in done.details.items())
            rows.append((f"round {this.number}", done.loader, f"{done.seconds:.1f}", details))
    return Table("Trainings", ("round", "loader", "seconds", "details"), tuple(rows))


def inputs_table(run: Run) -> Table:
    """A table of the checksums of the run's inputs."""
    rows = tuple((name, sha256) for name, sha256 in run.inputs.items())
    return Table("Checksums of the inputs", ("input", "sha256"), rows, folded=True)


def settings_table(config: Mapping[str, Any]) -> Table:
    """A table of settings as they were used."""
    rows = tuple((name, cut(_plain(value), MOST_CHARACTERS)) for name, value in _settings(config))
    note = "run.on_finish is left out: it may hold a secret." if rows else ""
    return Table("Every setting", ("setting", "value"), rows, note, folded=True)


def time_table(store: Store, run: Run, rounds: list[Round]) -> Table:
    """A table of the time and tokens of each stage, by round and in total."""
    rows = []
    totals: dict[str, list[float]] = {stage: [0.0, 0.0, 0.0, 0.0] for stage in STAGES}
    for number in (0, *(this.number for this in rounds)):
        costs = sorted(store.runs.fetch_stage_costs(run.run_id, number), key=lambda cost: STAGES.index(cost.stage))
        for cost in costs:
            trained = store.trainings.fetch_seconds(run.run_id, number) if cost.stage == "train" else None
            work = cost.sampling_seconds if trained is None else trained
            found = cost.seconds, work, cost.tokens, cost.prompt_tokens
            rows.append(_time_row("base" if number == 0 else f"round {number}", cost.stage, *found))
            totals[cost.stage] = [old + new for old, new in zip(totals[cost.stage], found, strict=True)]
    rows += [_time_row("total", stage, *found) for stage, found in totals.items() if any(found)] if rows else []
    columns = (
        "round",
        "stage",
        "seconds",
        "spent decoding or training",
        "tokens drawn",
        "prompt tokens",
        "tokens/s",
    )
    return Table("Time and tokens of each stage", columns, tuple(rows))


def _time_row(
    whose: str, stage: str, seconds: float, work: float, tokens: float, prompt_tokens: float
) -> tuple[str, ...]:
    speed = f"{tokens / work:.0f}" if work and tokens else ""
    return (whose, stage, f"{seconds:,.1f}", f"{work:,.1f}", f"{tokens:,.0f}", f"{prompt_tokens:,.0f}", speed)


def _settings(values: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _settings(value, f"{where}{name}.")
        else:
            yield f"{where}{name}", value


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
