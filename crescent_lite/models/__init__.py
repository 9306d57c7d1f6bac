"""Model files: finding them here or on the hub, their checksums, and reading a GGUF's header.

Never loads a model. Example: find_model("embedded").name -> "SmolLM2-135M-Instruct.Q4_1"
"""

from crescent_lite.models.parts import parts_of, size_of
from crescent_lite.models.sources import (
    EMBEDDED_FILE,
    HUB_REFERENCE,
    embedded_path,
    find_adapter,
    find_model,
    require_unchanged,
    sha256_of,
)

__all__ = [
    "EMBEDDED_FILE",
    "HUB_REFERENCE",
    "embedded_path",
    "find_adapter",
    "find_model",
    "parts_of",
    "require_unchanged",
    "sha256_of",
    "size_of",
]
