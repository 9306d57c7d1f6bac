#!/usr/bin/env bash
# Compiles llama-batched-bench from the llama.cpp of the installed llama-cpp-python, and links it with the libraries
# that are installed, so that it runs the very same kernels. Takes a minute.
#   benchmarks/build_batched_bench.sh [DIR]      -> DIR/llama-batched-bench (default DIR: build)
set -euo pipefail
cd "$(dirname "$0")/.."
target="${1:-build}"
python="${PYTHON:-.venv/bin/python}"
version="$("$python" -c 'import importlib.metadata as m; print(m.version("llama-cpp-python"))')"
packages="$("$python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')"
mkdir -p "$target"
source="$target/llama_cpp_python-$version"
if [ ! -d "$source" ]; then
  "$python" -m pip download --no-deps --no-binary llama-cpp-python -d "$target" "llama-cpp-python==$version" ||
    { echo "the source of llama-cpp-python $version cannot be downloaded" >&2; exit 1; }
  tar -xzf "$source.tar.gz" -C "$target"
fi
tree="$source/vendor/llama.cpp"
"${CXX:-c++}" -O2 -std=c++17 -I"$tree/common" -I"$tree/include" -I"$tree/ggml/include" -I"$tree/vendor" \
  "$tree"/tools/batched-bench/*.cpp -o "$target/llama-batched-bench" -L"$packages/lib" \
  -lllama-common -lllama -lggml -lggml-base -lggml-cpu -lpthread -Wl,--disable-new-dtags,-rpath,"$packages/lib"
echo "$target/llama-batched-bench"
