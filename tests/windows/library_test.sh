#!/usr/bin/env bash
# segbroker.dll: it exports what the headers declare, and programs link with
# its import library and wait for it in their own event loops.
set -u
build=${BUILD:-build/windows}
. tests/support/check.bash
trap 'rm -rf "$folder"' EXIT

declared() {
    gcc -E -P -Iclient client/segbroker.h client/filemapping.h |
        grep -oE '\b(segb_[a-z_]+|Seg[A-Z][A-Za-z]+) *\(' |
        tr -d ' (' | sort -u
}

exported() {
    x86_64-w64-mingw32-objdump -p "$build/segbroker.dll" |
        sed -n '/Name Pointer. Table/,$p' | grep -oE '\b(segb_[a-z_]+|Seg[A-Z][A-Za-z]+)' |
        sort -u
}

imported() {
    x86_64-w64-mingw32-nm "$build/libsegbroker.dll.a" |
        grep -oE ' T (segb_[a-z_]+|Seg[A-Z][A-Za-z]+)' | sed 's/.* //' | sort -u
}

says() {
    local text=$1
    shift
    "$@" 2>&1 | grep -q -- "$text"
}

link() {
    x86_64-w64-mingw32-gcc -Iclient -o "$folder/$1.exe" \
        "client/examples/$1.c" -L"$build" -l:libsegbroker.dll.a
}

check 'exports what is declared' diff <(declared) <(exported)
check 'has an import library for it' diff <(declared) <(imported)
check 'needs nothing but the system' says '^0$' bash -c \
    "x86_64-w64-mingw32-objdump -p '$build/segbroker.dll' |
        sed -n 's/.*DLL Name: //p' |
        grep -vciE '^(KERNEL32|ADVAPI32|msvcrt|ntdll|api-ms-.*|ucrtbase)\.dll$'"
cp "$build/segbroker.dll" "$folder"
check 'links a producer' link producer
check 'links a program that waits' link wait_windows
export SEGBROKER_SOCKET='\\.\pipe\segbroker-library-'$$
check 'loads it' says 'no broker serves at' wine64 "$folder/producer.exe"

wine64 "$build/segbrokerd.exe" --pipe "$SEGBROKER_SOCKET" \
    --runtime-dir "Z:${folder//\//\\}\\run" >"$folder/log" 2>&1 &
end=$((SECONDS + 20))
until wine64 "$build/segctl.exe" ping >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || break
    sleep 0.1
done
check 'waits for its answer' says 'create: segment 1, 65536 bytes' \
    wine64 "$folder/wait_windows.exe"
wine64 "$build/segctl.exe" shutdown >/dev/null 2>&1
wait

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
