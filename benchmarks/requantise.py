"""Writes a GGUF in another quantisation, for comparing speeds. Requantising a quantised file loses quality.

python benchmarks/requantise.py MODEL.gguf q4_0 OUT.gguf
"""

from __future__ import annotations

import argparse
import ctypes
import sys
from pathlib import Path

from crescent_lite.sampling.library import llama_cpp

TYPES = {
    "f32": llama_cpp.LLAMA_FTYPE_ALL_F32,
    "q4_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_0,
    "q8_0": llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0,
}


def main() -> int:
    """Requantise the file. The exit code is llama.cpp's; 0 is success."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("type", choices=TYPES)
    parser.add_argument("target", type=Path)
    options = parser.parse_args()
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = TYPES[options.type]
    params.allow_requantize = True
    paths = str(options.source).encode(), str(options.target).encode()
    return int(llama_cpp.llama_model_quantize(*paths, ctypes.byref(params)))


if __name__ == "__main__":
    sys.exit(main())
