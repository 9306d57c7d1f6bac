"""Another quantisation of a GGUF, in process. From an already quantised file: for speed comparisons, not for quality.

python benchmarks/requantise.py MODEL.gguf q4_0 OUT.gguf
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import llama_cpp

TYPES = {
    "f32": llama_cpp.LLAMA_FTYPE_ALL_F32,
    "q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0,
    "q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0,
}


def main() -> int:
    """Requantise."""
    source, kind, target = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = TYPES[kind]
    params.allow_requantize = True
    return int(llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params)))


if __name__ == "__main__":
    sys.exit(main())
