#!/bin/bash
# The public headers are clean C89 and C++ for every compiler, the shared library
# exports exactly what they declare, and the first examples stay short.
#
# Environment: BUILD, the folder of the products (default: build).
set -u

build=${BUILD:-build}
headers=(client/segbroker.h client/filemapping.h)
library=$build/libsegbroker.so.0
. tests/support/check.bash
trap 'rm -rf "$folder"' EXIT
skipped=0

skip() {
    skipped=$((skipped + 1))
    echo "skipped: $1: $2"
}

# Each header alone, and twice: it guards itself.
for header in segbroker filemapping; do
    printf '#include "%s.h"\n#include "%s.h"\n' $header $header \
        >"$folder/$header.c"
    cp "$folder/$header.c" "$folder/$header.cc"
done
warnings=(-Wall -Wextra -Wundef -pedantic -Werror -fsyntax-only -Iclient)

declared() {
    gcc -E -P -Iclient "${headers[@]}" |
        grep -oE '\b(segb_[a-z_]+|Seg[A-Z][A-Za-z]+) *\(' |
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
        cp "${headers[@]}" "$include" && cp "$library" "$lib" &&
        ln -sf libsegbroker.so.0 "$lib/libsegbroker.so" &&
        gcc -o "$folder/producer" -I"$include" client/examples/producer.c \
            -L"$lib" -lsegbroker -Wl,-rpath,"$lib" || return
    SEGBROKER_SOCKET=$folder/none "$folder/producer" >"$folder/said" 2>&1
    grep "connect: no broker serves at $folder/none" "$folder/said"
}

# A program for Windows, with one changed include: as it calls things there.
cat >"$folder/moved.c" <<'END'
#include <filemapping.h>
static LPCTSTR name = TEXT("Local\\moved");
BOOL WINAPI move(LPVOID *view)
{
    TCHAR first = name[0];
    HANDLE mapping = CreateFileMapping(INVALID_HANDLE_VALUE, NULL,
                                       PAGE_READWRITE, 0, 256, name);
    if (mapping == NULL || GetLastError() == ERROR_ALREADY_EXISTS)
        return FALSE;
    *view = MapViewOfFile(mapping, FILE_MAP_ALL_ACCESS, 0, 0, 256);
    if (*view)
        CopyMemory(*view, &first, sizeof(TCHAR));
    return CloseHandle(mapping);
}
END
cp "$folder/moved.c" "$folder/moved.cc"

for header in segbroker filemapping; do
    check "compiles_${header}_as_c89" \
        gcc -std=c89 "${warnings[@]}" "$folder/$header.c"
    check "compiles_${header}_as_c11" \
        gcc -std=c11 "${warnings[@]}" "$folder/$header.c"
    check "compiles_${header}_as_cxx98" \
        g++ -std=c++98 "${warnings[@]}" "$folder/$header.cc"
    check "compiles_${header}_as_cxx17" \
        g++ -std=c++17 "${warnings[@]}" "$folder/$header.cc"
done
check compiles_a_program_for_windows \
    gcc -std=c89 "${warnings[@]}" -DSEGB_WIN32_NAMES "$folder/moved.c"
check compiles_a_program_for_windows_in_cxx \
    g++ -std=c++17 "${warnings[@]}" -DSEGB_WIN32_NAMES "$folder/moved.cc"
check compiles_a_unicode_program_for_windows gcc -std=c11 "${warnings[@]}" \
    -DSEGB_WIN32_NAMES -DUNICODE "$folder/moved.c"
check compiles_a_unicode_program_for_windows_in_cxx g++ -std=c++17 \
    "${warnings[@]}" -DSEGB_WIN32_NAMES -DUNICODE "$folder/moved.cc"
if command -v clang >/dev/null; then
    check compiles_for_windows clang -target x86_64-pc-windows-msvc \
        -ffreestanding "${warnings[@]}" "$folder/segbroker.c"
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
