#!/bin/sh
# Builds kernels.wasm, which is committed, with clang and lld (Debian: apt install clang lld).
set -eu
cd "$(dirname "$0")"
clang --target=wasm32 -O3 -msimd128 -mbulk-memory -nostdlib -ffreestanding -fno-math-errno -Wall -Wextra -Wl,--no-entry \
  -Wl,--export=__heap_base -Wl,--strip-all -Wl,-z,stack-size=16384 -o "${1:-kernels.wasm}" range.c networks.c pixels.c
# what it was built from, which a test compares
if [ $# -eq 0 ]; then cat build.sh common.h range.c networks.c pixels.c | sha256sum | cut -d ' ' -f 1 > kernels.wasm.sources; fi
