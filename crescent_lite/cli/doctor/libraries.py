"""Which packages are installed, how llama.cpp and torch were built, and whether their builds fit the machine.

Loads neither torch nor llama.cpp. Example: accelerator_named("cuda: Optional[str] = '12.8'") -> "CUDA 12.8"
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from crescent_lite.cli.doctor.finding import Finding
from crescent_lite.workspace.machine import installed_version

INSTALL_TRAIN = "fine-tuning needs it: pip install 'crescent-lite[train]'"


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
        unsloth = "on a GPU with it (make unsloth), train.loader = 'auto' takes it instead of PEFT"
        four_bit = "train.precision = 'auto' on a GPU (4 bits, QLoRA) needs it: pip install bitsandbytes"
    else:
        unsloth = "PEFT trains here; Unsloth (make unsloth) only with train.loader = 'unsloth'"
        four_bit = "only train.precision = 'nf4' needs it: pip install bitsandbytes"
    return [
        torch_finding(installed_version("torch"), torch_accelerator(), has_gpu=has_gpu),
        package_finding("transformers", INSTALL_TRAIN),
        package_finding("peft", INSTALL_TRAIN),
        package_finding("unsloth", unsloth, optional=True),
        package_finding("bitsandbytes", four_bit, optional=not has_gpu),
        package_finding("sqlite-utils", "required: pip install sqlite-utils"),
        package_finding("rapidfuzz", "required: pip install rapidfuzz"),
    ]


def package_finding(package: str, advice: str, *, optional: bool = False) -> Finding:
    """The version of a package, or advice if it is not installed."""
    if version := installed_version(package):
        return Finding(package, "ok", version)
    return Finding(package, "optional" if optional else "missing", "not installed", advice)


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
    """An SQLite version. Where its WAL mode has a known bug, only a program beside this one could meet it."""
    from crescent_lite.store.sqlite_version import has_wal_reset_bug

    if not has_wal_reset_bug(version):
        return Finding("SQLite", "ok", version)
    return Finding("SQLite", "ok", f"{version}; its bug with two writers is not met here, where one process writes")
