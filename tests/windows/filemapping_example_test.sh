#!/usr/bin/env bash
# The pair of programs for CreateFileMapping on Windows: there the same source
# uses the system's own calls, and no broker.
set -u
build=${BUILD:-build/windows}
. tests/support/check.bash
name='Local\segbroker-example-'$$
trap 'rm -rf "$folder"' EXIT
# A writer that has ended fails the test, not the script.
trap '' PIPE

says() {
    local text=$1
    shift
    timeout 60 wine64 "$@" 2>&1 | grep -qF -- "$text"
}

needs_no_broker() {
    ! x86_64-w64-mingw32-objdump -p "$1" | grep -i 'DLL Name: segbroker'
}

wrote() {
    local end=$((SECONDS + 30))
    until grep -qF "$name has the text" "$folder/wrote" 2>/dev/null; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

for program in writer reader; do
    check "$program needs no library" needs_no_broker \
        "$build/examples/filemapping_$program.exe"
done
mkfifo "$folder/enter"
timeout 120 wine64 "$build/examples/filemapping_writer.exe" "$name" 'words' \
    <"$folder/enter" >"$folder/wrote" 2>&1 &
writer=$!
exec 9>"$folder/enter"
check 'writes' wrote
check 'reads' says words "$build/examples/filemapping_reader.exe" "$name"
check 'refuses a second writer' says "$name is there already" \
    "$build/examples/filemapping_writer.exe" "$name"
echo >&9
exec 9>&-
check 'ends' wait "$writer"
check 'finds no name then' says 'OpenFileMapping: error 2' \
    "$build/examples/filemapping_reader.exe" "$name"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
