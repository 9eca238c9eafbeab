#!/bin/bash
# The public header is clean C89 and C++ for every compiler, the shared library
# exports exactly what it declares, and the first examples stay short.
#
# Environment: BUILD, the folder of the products (default: build).
set -u

build=${BUILD:-build}
header=client/segbroker.h
library=$build/libsegbroker.so.0
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
passed=0
failed=0
skipped=0

# check NAME COMMAND...
check() {
    local name=$1
    shift
    if "$@" >"$folder/output" 2>&1; then
        passed=$((passed + 1))
        echo "ok $name"
    else
        failed=$((failed + 1))
        echo "not ok $name"
        sed 's/^/    /' "$folder/output"
    fi
}

skip() {
    skipped=$((skipped + 1))
    echo "skipped: $1: $2"
}

# The header alone, and twice: it guards itself.
printf '#include "segbroker.h"\n#include "segbroker.h"\n' >"$folder/alone.c"
cp "$folder/alone.c" "$folder/alone.cc"
warnings=(-Wall -Wextra -Wundef -pedantic -Werror -fsyntax-only -Iclient)

declared() {
    gcc -E -P -Iclient "$header" | grep -oE '\bsegb_[a-z_]+ *\(' |
        tr -d ' (' | sort -u
}

exported() {
    nm -D --defined-only "$library" |
        awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u
}

exports_what_is_declared() {
    [ "$(declared | wc -l)" -gt 20 ] && diff <(declared) <(exported)
}

versions_every_symbol() {
    ! nm -D --defined-only "$library" | awk '$2 != "A"' |
        grep -v '@@SEGBROKER_0$'
}

has_soname() {
    readelf -d "$library" | grep -F 'soname: [libsegbroker.so.0]'
}

shorter_than() {
    local lines
    lines=$(wc -l <"$2")
    echo "$2 has $lines lines"
    [ "$lines" -lt "$1" ]
}

# A program that is built as its author would, from the installed files alone.
links_a_program() {
    local include=$folder/include lib=$folder/lib
    mkdir -p "$include" "$lib" &&
        cp "$header" "$include" && cp "$library" "$lib" &&
        ln -sf libsegbroker.so.0 "$lib/libsegbroker.so" &&
        gcc -o "$folder/producer" -I"$include" client/examples/producer.c \
            -L"$lib" -lsegbroker -Wl,-rpath,"$lib" || return
    SEGBROKER_SOCKET=$folder/none "$folder/producer" >"$folder/said" 2>&1
    grep "connect: no broker serves at $folder/none" "$folder/said"
}

check compiles_as_c89 gcc -std=c89 "${warnings[@]}" "$folder/alone.c"
check compiles_as_c11 gcc -std=c11 "${warnings[@]}" "$folder/alone.c"
check compiles_as_cxx98 g++ -std=c++98 "${warnings[@]}" "$folder/alone.cc"
check compiles_as_cxx17 g++ -std=c++17 "${warnings[@]}" "$folder/alone.cc"
if command -v clang >/dev/null; then
    check compiles_for_windows clang -target x86_64-pc-windows-msvc \
        -ffreestanding "${warnings[@]}" "$folder/alone.c"
else
    skip compiles_for_windows 'there is no clang'
fi
check exports_what_is_declared exports_what_is_declared
check versions_every_symbol versions_every_symbol
check has_soname has_soname
if nm -D "$library" | grep -qE ' U __(asan|tsan|ubsan)_'; then
    skip links_a_program 'the library needs a sanitizer'
else
    check links_a_program links_a_program
fi
check producer_is_short shorter_than 40 client/examples/producer.c
check consumer_is_short shorter_than 40 client/examples/consumer.c

if [ "$skipped" -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ "$failed" -eq 0 ]
