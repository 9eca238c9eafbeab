#!/bin/bash
# The pair of programs for CreateFileMapping, in two processes, over a broker:
# what the one writes the other reads, and the name goes with its holder.
#
# Environment: BUILD, the folder of the products (default: build).
set -u

build=${BUILD:-build}
. tests/support/check.bash
export SEGBROKER_SOCKET=$folder/run/broker.sock

finish() {
    exec 9>&-
    [ -z "${writer:-}" ] || wait "$writer"
    kill "$broker" 2>/dev/null
    wait "$broker"
    rm -rf "$folder"
}
trap finish EXIT
# A writer that has ended fails a test, not the script.
trap '' PIPE

# says TEXT COMMAND...: all that it prints is the text.
says() {
    local text=$1 printed
    shift
    printed=$("$@" 2>&1)
    echo "$printed"
    [ "$printed" = "$text" ]
}

# start_writer NAME TEXT: it holds the name until end_writer.
start_writer() {
    rm -f "$folder/enter"
    mkfifo "$folder/enter"
    "$build/examples/filemapping_writer" "$1" "$2" \
        <"$folder/enter" >"$folder/wrote" 2>&1 &
    writer=$!
    exec 9>"$folder/enter"
    soon grep -qF "$1 has the text" "$folder/wrote"
}

end_writer() {
    echo >&9
    exec 9>&-
    wait "$writer"
    local status=$?
    writer=
    return $status
}

reads() {
    says "$1" "$build/examples/filemapping_reader" "$2"
}

mkdir "$folder/run"
"$build/segbrokerd" --runtime-dir "$folder/run" >"$folder/log" 2>&1 &
broker=$!
check serves soon "$build/segctl" ping

for name in 'Local\MyFileMappingObject' 'Global\MyFileMappingObject'; do
    check "writes $name" start_writer "$name" 'first words'
    check "reads $name" reads 'first words' "$name"
    check "refuses a second writer of $name" says "$name is there already" \
        "$build/examples/filemapping_writer" "$name" other
    check "ends $name" end_writer
    check "finds no $name then" reads 'OpenFileMapping: error 2' "$name"
done
check 'writes the default name' start_writer 'Local\MyFileMappingObject' again
check 'reads the default name' says again "$build/examples/filemapping_reader"
check 'ends the default name' end_writer

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
