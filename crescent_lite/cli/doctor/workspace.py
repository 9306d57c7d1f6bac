"""The workspace, its settings, and what follows from them: the model, which is tried, the sampling and the training.

Downloads nothing. Example: settings(Path("data")) -> findings named workspace, embedded model, sampling, training
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from crescent_lite.cli.doctor.finding import Finding, safely
from crescent_lite.config import CONFIG_NAME, Config, load_config
from crescent_lite.errors import CrescentError, ExitCode, NetworkError
from crescent_lite.printable import printable_line
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.machine import GIB, installed_version

LARGE_LOG = 256 << 20
"""Size of the database's write-ahead log, bytes, above which there is a warning (guess)."""


def settings(workspace: Path) -> list[Finding]:
    """The workspace, its settings, and what follows from them: the model, the sampling and the training."""
    path = workspace / CONFIG_NAME
    config = load_config(preset="quick")  # what `crescent init` would begin with
    if not path.is_file():
        found = Finding("workspace", "missing", f"no {path}", f"create it: crescent init {workspace}")
    elif not os.access(workspace, os.W_OK):
        found = Finding("workspace", "warning", f"{workspace} cannot be written", "make it writable for runs")
    else:
        try:
            config = load_config(path)
            found = Finding("workspace", "ok", f"{workspace}, preset {config.preset}")
        except CrescentError as error:
            found = Finding("workspace", "warning", "its settings are invalid", str(error), error.exit_code)
    return [
        found,
        *safely("database", lambda: write_ahead_log(workspace)),
        *safely("embedded model", embedded_model),
        *safely("model", lambda: model_findings(config, workspace, will_try=found.state == "ok")),
        *safely("sampling", lambda: sampling_plan(config, workspace)),
        *safely("training", lambda: loader(config)),
    ]


def write_ahead_log(workspace: Path) -> list[Finding]:
    """A warning if the log beside the database is large: a reader that never ends keeps SQLite from emptying it."""
    log = Path(f"{Workspace(workspace).database_path}-wal")
    size = log.stat().st_size if log.is_file() else 0
    if size <= LARGE_LOG:
        return []
    advice = "close what keeps reading the database (a terminal UI, crescent serve, sqlite3); the next run shrinks it"
    return [Finding("database", "warning", f"{log.name} has grown to {size / GIB:.1f} GiB", advice)]


def embedded_model() -> list[Finding]:
    """The model that comes with a package, without a download."""
    from crescent_lite.models import embedded_path

    path = embedded_path()
    return [Finding("embedded model", "ok", f"{path.name}, {path.stat().st_size / 1e6:.0f} MB")]


def model_findings(config: Config, workspace: Path, *, will_try: bool) -> list[Finding]:
    """The model in the settings: whether its file is there and, with `will_try`, whether a run could use it."""
    from crescent_lite.cli.model_trial import model_on_disk, try_model
    from crescent_lite.preparation import resolve_paths

    there = configured_model(config, workspace)
    resolved = resolve_paths(config, workspace)
    path = model_on_disk(resolved) if will_try and all(each.state == "ok" for each in there) else None
    if path is None:
        return [replace(each, value=f"{each.value}; not tried") if each.state == "ok" else each for each in there]
    what = there[0].value if there else path.name
    try:
        trial = try_model(path, resolved)
    except NetworkError as error:
        return [Finding("model", "warning", f"{what}; it could not be tried", str(error))]
    except CrescentError as error:
        return [Finding("model", "warning", f"{what}; a run would be refused", str(error), error.exit_code)]
    if trial.foreign_end:
        advice = (
            f"its chat template ends a reply with {printable_line(trial.foreign_end)!r}, which is no end of a reply "
            "for this model; name the template that it was trained with in model.chat_template"
        )
        return [Finding("model", "warning", what, advice)]
    return [Finding("model", "ok", f"{what}; drew {trial.tokens} tokens after its chat template")]


def configured_model(config: Config, workspace: Path) -> list[Finding]:
    """The model in the settings; no finding if it is the embedded one."""
    from crescent_lite.models import HUB_REFERENCE, size_of
    from crescent_lite.models.spellings import meant_by
    from crescent_lite.preparation import resolve_paths

    source = config.model.source
    path = Path(resolve_paths(config, workspace).model.source)
    if source == "embedded":
        return []
    if not source:
        advice = "`crescent models` lists some and fetches one"
        return [Finding("model", "missing", "model.source is not set", advice)]
    if path.is_file():
        return [Finding("model", "ok", f"{path}, {size_of(path) / GIB:.1f} GiB{_faster_type(path)}")]
    if not HUB_REFERENCE.fullmatch(source):
        advice = f"model.source: {meant_by(source, offline=True)}"
        return [Finding("model", "missing", f"no file {path}", advice, ExitCode.MODEL)]
    if installed_version("huggingface_hub") is None:
        return [Finding("model", "missing", source, "hub models need: pip install 'crescent-lite[hub]'")]
    return [Finding("model", "ok", f"{source}, read from the hub's cache or downloaded when a run starts")]


def _faster_type(path: Path) -> str:
    """A hint where another type of the same size is sampled faster on a processor; else ''."""
    from crescent_lite.export.requantised import runs_on_slow_kernels

    try:
        is_slow = runs_on_slow_kernels(path)
    except CrescentError:
        return ""
    return "; faster on a processor as IQ4_NL: see `crescent quantise`" if is_slow else ""


def sampling_plan(config: Config, workspace: Path) -> list[Finding]:
    """How many sequences a run would decode at once, and how much memory that takes."""
    from crescent_lite.models import embedded_path
    from crescent_lite.preparation import resolve_paths
    from crescent_lite.sampling import plan_before_loading

    if config.sampling.servers:
        return [Finding("sampling", "ok", f"on servers: {', '.join(config.sampling.servers)}")]
    if config.sampling.ray:
        return [Finding("sampling", "ok", f"by workers on the Ray cluster {config.sampling.ray}")]
    source = config.model.source
    path = embedded_path() if source == "embedded" else Path(resolve_paths(config, workspace).model.source)
    if not path.is_file():
        return []
    plan = plan_before_loading(path, config)
    parts = {"weights": plan.weights_bytes, "cache": plan.cache_bytes, "buffers": plan.buffer_bytes}
    memory = f"{plan.total_bytes / GIB:.1f} GiB ({', '.join(f'{n} {b / GIB:.2f}' for n, b in parts.items())})"
    each = "" if config.sampling.workers == 1 else "each worker: "
    trained = [Finding("trained models", "ok", _how_trained_models_are_sampled(config, path))]
    if not plan.shared:
        slots = f"{each}{plan.all_slots} slots of {plan.context_tokens:,} tokens, {memory}"
        return [Finding("sampling", "ok", slots), *trained]
    return [
        Finding(
            "sampling",
            "warning",
            f"{each}{plan.all_slots} slots share {plan.contexts * plan.cells:,} tokens of context, {memory}",
            "too little memory for all slots at full length: free some, or lower sampling.slots or max_tokens",
        ),
        *trained,
    ]


def _how_trained_models_are_sampled(config: Config, base: Path) -> str:
    from crescent_lite.stages.merged import may_merge
    from crescent_lite.training.merged_copy import copy_bytes, copy_helps

    if may_merge(config.sampling) and copy_helps(base):
        return f"long stages use a merged copy in the workspace, {copy_bytes(base) / GIB:.2f} GiB"
    return "the adapter is put on the base"


def loader(config: Config) -> list[Finding]:
    """The library that would train. Raises MissingPackageError if it is not installed."""
    from crescent_lite.training.packages import UNUSABLE, choose_loader, require_packages

    name, reason = choose_loader(config.train)
    require_packages(name)
    if reason.startswith(UNUSABLE):
        return [Finding("training", "warning", f"{name}: {reason}", "or set train.loader = 'peft'")]
    return [Finding("training", "ok", f"{name}: {reason}")]
