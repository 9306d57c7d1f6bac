#!/usr/bin/env bash
# How fast does an NVIDIA GPU sample, with which part of the work where? Takes under five minutes with a 0.5B model.
# Prints, for 64, 128 and 256 slots: one context that copies all logits (as before), the candidates picked on the GPU,
# and also two contexts that take turns. Then llama.cpp's own benchmark as the ceiling, if its program is given.
#   benchmarks/gpu.sh MODEL.gguf [LLAMA-BATCHED-BENCH]
set -euo pipefail
cd "$(dirname "$0")/.."
model="${1:?usage: benchmarks/gpu.sh MODEL.gguf [LLAMA-BATCHED-BENCH]}"
bench="${2:-}"
python="${PYTHON:-.venv/bin/python}"
seconds="${SECONDS_EACH:-6}"
slots="${SLOTS:-64 128 256}"
command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,memory.used,memory.total --format=csv
measure() {
  echo "== $1"
  shift
  "$python" benchmarks/slots.py "$model" --slots $slots --seconds "$seconds" --json "$@"
}
measure "all logits copied, one context" --filter processor --contexts 1
measure "candidates on the GPU, one context" --filter device --contexts 1
measure "candidates on the GPU, two contexts" --filter device --contexts 2
echo "== one draw"
"$python" benchmarks/drawing.py "$model" --slots $slots
if [ -n "$bench" ]; then
  echo "== llama-batched-bench"
  for count in $slots; do
    "$bench" -m "$model" -ngl 99 -c $((count * 768)) -npp 64 -ntg 128 -npl "$count" -fa on
  done
fi
command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=memory.used --format=csv || true
