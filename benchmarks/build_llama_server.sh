#!/usr/bin/env bash
# Compiles the llama-server of the very llama.cpp that the installed llama-cpp-python carries, with the same options, so
# that both sides of a comparison run the same kernels. Takes a quarter of an hour on two cores.
#   benchmarks/build_llama_server.sh [DIR]      -> DIR/bin/llama-server (default DIR: build/llama-server)
set -euo pipefail
cd "$(dirname "$0")/.."
target="${1:-build/llama-server}"
python="${PYTHON:-.venv/bin/python}"
version="$("$python" -c 'import importlib.metadata as m; print(m.version("llama-cpp-python"))')"
mkdir -p "$target"
if [ ! -d "$target/llama_cpp_python-$version" ]; then
  "$python" -m pip download --no-deps --no-binary llama-cpp-python -d "$target" "llama-cpp-python==$version" ||
    { echo "the source of llama-cpp-python $version cannot be downloaded" >&2; exit 1; }
  tar -xzf "$target/llama_cpp_python-$version.tar.gz" -C "$target"
fi
cmake -S "$target/llama_cpp_python-$version/vendor/llama.cpp" -B "$target/cmake" -DCMAKE_BUILD_TYPE=Release \
  -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_OPENSSL=OFF \
  -DLLAMA_BUILD_UI=OFF -DLLAMA_USE_PREBUILT_UI=OFF
cmake --build "$target/cmake" --target llama-server --parallel "${JOBS:-$(nproc)}"
mkdir -p "$target/bin"
ln -sf ../cmake/bin/llama-server "$target/bin/llama-server"
echo "$target/bin/llama-server"
