#!/bin/sh
# Compiles the parser with whatever clang there is: $WASM_CC, zig, zig of `pip install ziglang`, or clang with lld.
set -eu
mkdir -p ../target
if [ -n "${WASM_CC:-}" ]; then compiler=$WASM_CC
elif command -v zig >/dev/null; then compiler="zig cc"
elif python3 -c 'import ziglang' 2>/dev/null; then compiler="python3 -m ziglang cc"
elif command -v clang >/dev/null && command -v wasm-ld >/dev/null; then compiler=clang
else
    echo "no C compiler for WebAssembly: install clang and lld, or zig (\`pip install ziglang\`)" >&2
    exit 1
fi
# Written beside and renamed, so that nobody reads half of it.
$compiler -target wasm32-freestanding -std=c17 -Os -Wall -Wextra -Werror -nostdlib -fno-builtin \
    -Wl,--no-entry -Wl,-z,stack-size=65536 -Wl,--strip-debug \
    -o ../target/parser.wasm.$$ csv.c border.c component_type.c
mv ../target/parser.wasm.$$ ../target/parser.wasm
