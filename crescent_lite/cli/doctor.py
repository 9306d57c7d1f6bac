"""What this machine has, and advice on what is missing. Reads versions and sizes, and tries the workspace's model.

Never loads torch; knows nothing of runs. Each finding is one line. Example:
    Finding("peft", "missing", "not installed", "fine-tuning needs it: pip install 'crescent-lite[train]'")
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import psutil

from crescent_lite.config import CONFIG_NAME, Config, load_config
from crescent_lite.errors import CrescentError
from crescent_lite.printable import printable_line
from crescent_lite.sampling.nvidia import VISIBLE_DEVICES, NvidiaError, NvidiaGpu, installed_gpus, visible_gpus
from crescent_lite.workspace import Workspace
from crescent_lite.workspace.machine import GIB, allowed_threads, installed_version, memory_now, physical_cores

LITTLE_MEMORY = 2 * GIB
"""Free memory, bytes, below which there is a warning (guess). Enough for the embedded model, too little for 3B."""
LITTLE_DISK = 2 * GIB
"""Free disk space, bytes, below which there is a warning (guess): a database, adapters and a training's files."""
LARGE_LOG = 256 << 20
"""Size of the database's write-ahead log, bytes, above which there is a warning (guess)."""
INSTALL_TRAIN = "fine-tuning needs it: pip install 'crescent-lite[train]'"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for, and what was found."""

    name: str
    state: Literal["ok", "missing", "warning"]
    """'missing' is not an error by itself: the advice says whether the thing is needed."""
    value: str
    """What was found: a version, a size, a path."""
    advice: str = ""
    """What to do, one line; empty if there is nothing to do."""


Check = Callable[[], Iterable[Finding]]


def examine(workspace: Path) -> list[Finding]:
    """Examine the machine, the packages and the workspace. Raises nothing: a check that fails becomes a finding."""
    gpu = find_gpu()
    has_gpu = gpu.state == "ok"
    checks: dict[str, Check] = {
        "machine": lambda: machine(workspace),
        "GPU": lambda: [gpu],
        "llama.cpp": lambda: llama(has_gpu=has_gpu),
        "packages": lambda: packages(has_gpu=has_gpu),
        "SQLite": sqlite,
        "settings": lambda: settings(workspace),
    }
    return [finding for name, check in checks.items() for finding in _safely(name, check)]


def _safely(name: str, check: Check) -> list[Finding]:
    try:
        return list(check())
    except (CrescentError, ImportError, OSError, psutil.Error) as error:
        return [Finding(name, "missing", "cannot be examined", str(error))]


# ── the machine ──────────────────────────────────────────────────────────────────────────────────────────────


def machine(workspace: Path) -> list[Finding]:
    """Python, the processors and the memory that may be used, and free space on the disk of the workspace."""
    python = f"{platform.python_version()} on {platform.system()} {platform.machine()}"
    memory, there = memory_now(), _nearest_folder(workspace)
    whose = ", the limit of this process" if memory.is_limited else ""
    return [
        Finding("Python", "ok", f"{python}, {cores_in_words(allowed_threads(), physical_cores())}"),
        amount(
            "memory",
            memory.free_bytes,
            memory.total_bytes,
            LITTLE_MEMORY,
            "use a smaller model or fewer sampling.slots",
            whose,
        ),
        amount("disk", *_free_and_total(there), LITTLE_DISK, f"make room on the disk of {there}"),
    ]


def cores_in_words(allowed: int, installed: int) -> str:
    """'8 cores', or '2 of 8 cores' where the affinity or a cgroup allows fewer."""
    number = installed if allowed >= installed else allowed
    return f"{number}{f' of {installed}' if number < installed else ''} {'core' if installed == 1 else 'cores'}"


def amount(name: str, free: int, total: int, little: int, advice: str, whose: str = "") -> Finding:
    """A finding about bytes, with a warning and the advice if less than `little` is free."""
    value = f"{free / GIB:.1f} GiB free of {total / GIB:.1f}{whose}"
    return Finding(name, "warning", value, advice) if free < little else Finding(name, "ok", value)


def find_gpu(ask: Callable[[], tuple[NvidiaGpu, ...]] = installed_gpus) -> Finding:
    """The NVIDIA GPUs that CUDA may use, or what is wrong with their driver."""
    try:
        return gpu_finding(ask(), os.environ.get(VISIBLE_DEVICES))
    except NvidiaError as error:
        return Finding("GPU", "warning", str(error), error.advice)


def gpu_finding(installed: Sequence[NvidiaGpu], setting: str | None) -> Finding:
    """The GPUs that a value of CUDA_VISIBLE_DEVICES leaves (None: all), and which of them trains."""
    if not installed:
        return Finding("GPU", "missing", "no NVIDIA GPU", "not required; a GPU makes larger models practical")
    visible = visible_gpus(installed, setting)
    found = "; ".join(gpu.description for gpu in visible) + ("; the first trains" if len(visible) > 1 else "")
    if setting is None:
        return Finding("GPU", "ok", found)
    limited = f"{VISIBLE_DEVICES}={setting} leaves {len(visible)} of {len(installed)}"
    if not visible:
        return Finding("GPU", "warning", limited, f"no GPU is used; unset {VISIBLE_DEVICES} to use all")
    return Finding("GPU", "ok", f"{found} ({limited})")


def _nearest_folder(path: Path) -> Path:
    path = path.absolute()
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _free_and_total(folder: Path) -> tuple[int, int]:
    disk = psutil.disk_usage(str(folder))
    return disk.free, disk.total


# ── the packages ─────────────────────────────────────────────────────────────────────────────────────────────


def llama(*, has_gpu: bool) -> list[Finding]:
    """The build of llama.cpp, and whether it fits the machine."""
    from crescent_lite.sampling.build_info import read_build

    build = read_build()
    return [
        Finding("llama.cpp", "ok", f"llama-cpp-python {build.version}; {build.features}"),
        offload_finding(build.version, can_offload=build.can_offload, has_gpu=has_gpu),
    ]


def offload_finding(version: str, *, can_offload: bool, has_gpu: bool) -> Finding:
    """Whether sampling can use the GPU."""
    if can_offload:
        return Finding("llama.cpp on GPU", "ok", "built with GPU support")
    if not has_gpu:
        return Finding("llama.cpp on GPU", "ok", "built for the CPU; no usable NVIDIA GPU was found")
    rebuild = f"pip install --force-reinstall --no-cache-dir --no-deps llama-cpp-python=={version}"
    return Finding(
        "llama.cpp on GPU",
        "warning",
        "built for the CPU",
        f"sampling does not use the GPU; with the CUDA toolkit: CMAKE_ARGS=-DGGML_CUDA=on {rebuild}",
    )


def packages(*, has_gpu: bool) -> list[Finding]:
    """The packages that training, the database and the comparison of questions depend on."""
    if has_gpu:
        unsloth = "optional: on a GPU with it (make unsloth), train.loader = 'auto' takes it instead of PEFT"
        four_bit = "train.precision = 'auto' on a GPU (4 bits, QLoRA) needs it: pip install bitsandbytes"
    else:
        unsloth = "optional: PEFT trains here; Unsloth (make unsloth) only with train.loader = 'unsloth'"
        four_bit = "optional: only train.precision = 'nf4' needs it: pip install bitsandbytes"
    return [
        torch_finding(installed_version("torch"), torch_accelerator(), has_gpu=has_gpu),
        package_finding("transformers", INSTALL_TRAIN),
        package_finding("peft", INSTALL_TRAIN),
        package_finding("unsloth", unsloth),
        package_finding("bitsandbytes", four_bit),
        package_finding("sqlite-utils", "required: pip install sqlite-utils"),
        package_finding("rapidfuzz", "required: pip install rapidfuzz"),
    ]


def package_finding(package: str, advice: str) -> Finding:
    """The version of a package, or advice if it is not installed."""
    version = installed_version(package)
    return Finding(package, "ok", version) if version else Finding(package, "missing", "not installed", advice)


def torch_finding(version: str | None, accelerator: str, *, has_gpu: bool) -> Finding:
    """The version of torch, and whether its build fits the machine. `accelerator`: as from `torch_accelerator`."""
    if version is None:
        return Finding("torch", "missing", "not installed", INSTALL_TRAIN)
    value = f"{version}, for {accelerator or 'the CPU'}"
    if has_gpu and not accelerator:
        return Finding("torch", "warning", value, "training does not use the GPU; install a CUDA build of torch")
    return Finding("torch", "ok", value)


def torch_accelerator() -> str:
    """What torch was built for, such as 'CUDA 12.8'; '' for the CPU. Its version.py is read, not run."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return ""
    return accelerator_named((Path(spec.origin).parent / "version.py").read_text(encoding="utf-8"))


def accelerator_named(version_file: str) -> str:
    """'CUDA 12.8', 'ROCm 6.3' or '', from the text of torch's version.py. Example: cuda: Optional[str] = '12.8'"""
    for name, words in (("cuda", "CUDA"), ("hip", "ROCm")):
        if found := re.search(rf"^{name}\b[^=\n]*= *['\"]([^'\"]+)['\"]", version_file, re.MULTILINE):
            return f"{words} {found[1]}"
    return ""


def sqlite() -> list[Finding]:
    """The SQLite library that Python uses."""
    from crescent_lite.store.sqlite_version import SQLITE_VERSION

    return [sqlite_finding(SQLITE_VERSION)]


def sqlite_finding(version: str) -> Finding:
    """An SQLite version, with a warning if its WAL mode has a known bug."""
    from crescent_lite.store.sqlite_version import has_wal_reset_bug

    if not has_wal_reset_bug(version):
        return Finding("SQLite", "ok", version)
    advice = (
        "this version can damage a database that two processes write at once; here only one process writes, "
        "under a lock, so there is nothing to do"
    )
    return Finding("SQLite", "warning", version, advice)


# ── the workspace ────────────────────────────────────────────────────────────────────────────────────────────


def settings(workspace: Path) -> list[Finding]:
    """The workspace, its settings, and what follows from them: the model, the sampling and the training."""
    path = workspace / CONFIG_NAME
    config = Config()
    if not path.is_file():
        found = Finding("workspace", "missing", f"no {path}", f"create it: crescent init {workspace}")
    elif not os.access(workspace, os.W_OK):
        found = Finding("workspace", "warning", f"{workspace} cannot be written", "make it writable for runs")
    else:
        try:
            config = load_config(path)
            found = Finding("workspace", "ok", f"{workspace}, preset {config.preset}")
        except CrescentError as error:
            found = Finding("workspace", "warning", "its settings are invalid", str(error))
    return [
        found,
        *_safely("database", lambda: write_ahead_log(workspace)),
        *_safely("embedded model", embedded_model),
        *_safely("model", lambda: model_findings(config, workspace, will_try=found.state == "ok")),
        *_safely("sampling", lambda: sampling_plan(config, workspace)),
        *_safely("training", lambda: loader(config)),
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
    except CrescentError as error:
        return [Finding("model", "warning", f"{what}; a run would be refused", str(error))]
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
    if path.is_file():
        return [Finding("model", "ok", f"{path}, {size_of(path) / GIB:.1f} GiB")]
    if not HUB_REFERENCE.fullmatch(source):
        return [Finding("model", "missing", f"no file {path}", f"model.source: {meant_by(source, offline=True)}")]
    if installed_version("huggingface_hub") is None:
        return [Finding("model", "missing", source, "hub models need: pip install 'crescent-lite[hub]'")]
    return [Finding("model", "ok", f"{source}, read from the hub's cache or downloaded when a run starts")]


def sampling_plan(config: Config, workspace: Path) -> list[Finding]:
    """How many sequences a run would decode at once, and how much memory that takes."""
    from crescent_lite.models import embedded_path
    from crescent_lite.preparation import resolve_paths
    from crescent_lite.sampling import plan_before_loading

    if config.sampling.servers:
        return [Finding("sampling", "ok", f"on servers: {', '.join(config.sampling.servers)}")]
    source = config.model.source
    path = embedded_path() if source == "embedded" else Path(resolve_paths(config, workspace).model.source)
    if not path.is_file():
        return []
    plan = plan_before_loading(path, config)
    parts = {"weights": plan.weights_bytes, "cache": plan.cache_bytes, "buffers": plan.buffer_bytes}
    memory = f"{plan.total_bytes / GIB:.1f} GiB ({', '.join(f'{n} {b / GIB:.2f}' for n, b in parts.items())})"
    if not plan.shared:
        return [Finding("sampling", "ok", f"{plan.slots} slots of {plan.context_tokens:,} tokens, {memory}")]
    return [
        Finding(
            "sampling",
            "warning",
            f"{plan.slots} slots share {plan.cells:,} tokens of context, {memory}",
            "too little memory for all slots at full length: free some, or lower sampling.slots or max_tokens",
        )
    ]


def loader(config: Config) -> list[Finding]:
    """The library that would train. Raises MissingPackageError if it is not installed."""
    from crescent_lite.training.packages import UNUSABLE, choose_loader, require_packages

    name, reason = choose_loader(config.train)
    require_packages(name)
    if reason.startswith(UNUSABLE):
        return [Finding("training", "warning", f"{name}: {reason}", "or set train.loader = 'peft'")]
    return [Finding("training", "ok", f"{name}: {reason}")]
