"""How llama.cpp on this machine was built. Loads the library, but no model.

Example: read_build() -> LlamaBuild(version="0.3.36", features="CPU: AVX2, FMA, OPENMP", can_offload=False)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from crescent_lite.errors import MissingPackageError


@dataclass(frozen=True)
class LlamaBuild:
    """What an installed llama.cpp was compiled with."""

    version: str
    """Version of llama-cpp-python, which contains llama.cpp."""
    features: str
    """Each backend with the instruction sets and libraries it uses."""
    can_offload: bool
    """Whether this build can put layers on a GPU."""


def read_build() -> LlamaBuild:
    """Ask llama.cpp how it was built. Raises MissingPackageError when the library cannot be loaded."""
    try:
        from crescent_lite.sampling import llama_log  # noqa: F401  first, so that CUDA's start message is not printed

        import llama_cpp  # isort: skip
    except (ImportError, OSError, RuntimeError) as error:  # RuntimeError: installed, but without its shared library
        reason = str(error).partition("\n")[0]
        raise MissingPackageError(
            f"llama.cpp cannot be loaded ({reason}): run `pip install llama-cpp-python`"
        ) from None
    info = llama_cpp.llama_print_system_info().decode("utf-8", "replace")
    return LlamaBuild(llama_cpp.__version__, features_in_words(info), llama_cpp.llama_supports_gpu_offload())


def features_in_words(system_info: str) -> str:
    """llama.cpp's own description, shortened: "CPU : AVX2 = 1 | AVX512 = 0 |" -> "CPU: AVX2"."""
    backends: dict[str, list[str]] = {}
    backend = "CPU"
    for part in system_info.split("|"):
        feature = re.fullmatch(r"\s*(?:(?P<backend>\w+) : )?(?P<name>\w+) = (?P<value>.*?)\s*", part)
        if feature is None:
            continue
        backend = feature["backend"] or backend
        features = backends.setdefault(backend, [])
        if feature["value"] == "1":
            features.append(feature["name"])
        elif feature["value"] != "0":
            features.append(f"{feature['name']} {feature['value']}")
    return "; ".join(f"{name}: {', '.join(features) or 'nothing special'}" for name, features in backends.items())
