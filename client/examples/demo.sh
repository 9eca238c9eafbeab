#!/bin/bash
# What `make demo` shows: segbroker's main job on a real file, with a broker
# of its own. Everything it claims is checked; nothing is left behind.
#
# Environment: BUILD, the folder of the programs (default: build); FILE, the
# file to share (default: the largest below 128 MiB that the system has).
set -u

build=$(realpath "${BUILD:-build}")
folder=$(mktemp -d)
name=global/film
step=0
readers=()

export PATH=$build:$build/examples:$PATH
export SEGBROKER_SOCKET=$folder/run/broker.sock

cleanup() {
    local end=$((SECONDS + 5)) running
    # First the mild way: `segctl exec` passes it on to its command.
    for signal in TERM KILL; do
        running=$(jobs -pr)
        # shellcheck disable=SC2086 # words
        [ -z "$running" ] || kill -"$signal" $running 2>/dev/null
        while [ -n "$(jobs -pr)" ] && [ "$SECONDS" -lt "$end" ]; do
            sleep 0.02
        done
    done
    { wait; } 2>/dev/null
    rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

# ---- showing and checking ----

step() {
    step=$((step + 1))
    printf '\n%d. %s\n' "$step" "$1"
}

indent() {
    fold -s -w 76 | sed -e 's/^/    /' -e 's/ *$//'
}

die() {
    printf '\ndemo: step %d failed: %s\n' "$step" "$1" >&2
    shift
    cat "$folder/log" "$@" >&2 2>/dev/null
    exit 1
}

shown() {
    printf '    $ %s\n' "$1"
}

# Shows a command, runs it, shows what it says; $answer keeps that.
run() {
    local status
    shown "$*"
    answer=$("$@" 2>&1)
    status=$?
    [ -z "$answer" ] || indent <<<"$answer"
    return "$status"
}

# await WHAT COMMAND...: until COMMAND succeeds.
await() {
    local what=$1 end=$((SECONDS + 30))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || die "waited in vain for $what"
        sleep 0.02
    done
}

# Ends in vain when that process is gone.
await_of() {
    local pid=$1 what=$2
    shift 2
    await "$what" ended_or "$pid" "$@"
    "$@"
}

ended_or() {
    local pid=$1
    shift
    "$@" || ! kill -0 "$pid" 2>/dev/null
}

serves() {
    segctl ping >/dev/null 2>&1
}

has_grants() {
    segctl list --json | grep -q "\"name\":\"$name\".*\"grants\":$1,"
}

lists_nothing() {
    [ "$(segctl list --json)" = '[]' ]
}

sum_of() {
    sha256sum | cut -d ' ' -f 1
}

# ---- the steps ----

choose_file() {
    file=${FILE:-}
    if [ -z "$file" ]; then
        file=$(find /usr/lib /usr/bin -xdev -type f -perm -004 \
            -size +8191 -size -262144 -exec ls -S {} + 2>/dev/null |
            head -n 1)
    fi
    if [ ! -f "$file" ] || [ ! -r "$file" ] || [ ! -s "$file" ]; then
        echo "demo: '$file' is no file with something to read in it" >&2
        exit 1
    fi
    size=$(wc -c <"$file")
    quota=$((size / 1048576 + 33))
}

# Step 0, which nobody sees.
start_broker() {
    # Another user gets in, to try what it may not do.
    chmod 711 "$folder"
    mkdir -m 755 "$folder/run"
    printf '[default]\nbytes = %dMiB\n' "$quota" >"$folder/segbroker.conf"
    segbrokerd --runtime-dir "$folder/run" --config "$folder/segbroker.conf" \
        2>"$folder/log" &
    broker=$!
    await_of "$broker" 'the broker' serves || die 'the broker does not serve'
}

produce() {
    step 'A producer reads the file into a named segment.'
    shown "segctl put $name --share-read everyone \\
          < $file"
    segctl put "$name" --share-read everyone <"$file" 2>"$folder/producer" &
    producer=$!
    await_of "$producer" 'the producer' grep -q ready "$folder/producer" ||
        die 'the segment was not made:' "$folder/producer"
    indent <"$folder/producer"
}

start_reader() {
    mkfifo "$folder/stdin$1"
    # shellcheck disable=SC2016 # for the inner shell
    segctl exec "$name" --access ro -- sh -c \
        'head -c $SEGBROKER_SIZE /dev/fd/3 | sha256sum; read -r line' \
        <>"$folder/stdin$1" >"$folder/reader$1" 2>&1 &
    readers+=($!)
}

read_at_once() {
    local i sum
    step 'Three processes open it read-only, at once, and stay.'
    shown "segctl exec $name --access ro -- sh -c \\
          'head -c \$SEGBROKER_SIZE /dev/fd/3 | sha256sum; read -r line'"
    for i in 1 2 3; do
        start_reader "$i"
    done
    for i in 1 2 3; do
        await_of "${readers[i - 1]}" "reader $i" \
            grep -qE '^[0-9a-f]{64} ' "$folder/reader$i" ||
            die "reader $i failed:" "$folder/reader$i"
    done
    whole=$(sum_of <"$file")
    for i in 1 2 3; do
        sum=$(cut -d ' ' -f 1 "$folder/reader$i")
        echo "    reader $i  $sum"
        [ "$sum" = "$whole" ] || die "reader $i has something else than the file"
    done
    echo "    the file  $whole"
    echo
    run segctl list
    has_grants 4 || die 'there are not four grants'
}

copy_on_write() {
    step 'One opens it copy-on-write and changes its view; nobody else sees it.'
    run cow "$name" || die 'the copy-on-write view failed'
    shown "segctl cat $name | sha256sum"
    local sum
    sum=$(segctl cat "$name" | sum_of)
    echo "    $sum  -"
    [ "$sum" = "$whole" ] || die 'the segment has changed'
}

intrude() {
    local as=()
    step 'One tries to write through its read-only handle; the kernel refuses.'
    # The other user may not be able to reach the build folder.
    mkdir -m 755 "$folder/bin"
    cp "$build/examples/intruder_posix" "$folder/bin/"
    chmod 755 "$folder/bin/intruder_posix"
    PATH=$folder/bin:$PATH
    if [ "$(id -u)" -eq 0 ]; then
        as=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
    fi
    run "${as[@]}" intruder_posix "$name" || die 'a write was not refused'
    [[ ${#as[@]} -eq 0 || $answer != *allowed* ]] ||
        die 'a way to write was left open'
    [ "$(segctl cat "$name" | sum_of)" = "$whole" ] ||
        die 'the segment has changed'
}

exceed_quota() {
    step "A create over quota is refused. (The quota here is $quota MiB.)"
    run segctl create more 64MiB
    [ $? -eq 3 ] || die 'it was not refused'
    [[ $answer == *quota-exceeded*bytes*"$quota MiB"*'64 MiB'*'[default]'* ]] ||
        die 'the refusal lacks the section, the budget or a figure'
}

kill_producer() {
    step 'The producer is killed. The readers keep the segment.'
    shown "kill -KILL $producer"
    kill -KILL "$producer"
    { wait "$producer"; } 2>/dev/null
    await 'the broker to see it' has_grants 3
    run segctl list
}

leave() {
    # <> does not wait for a reader, should it be gone.
    echo 1<>"$folder/stdin$1"
    wait "${readers[$1 - 1]}" || die "reader $1 failed:" "$folder/reader$1"
}

charges_nothing() {
    segctl usage --json |
        grep -q '"section":"user [^"]*","budget":"bytes","used":0,'
}

last_leaves() {
    step 'The last reader leaves. The segment and its bytes are gone.'
    leave 1
    leave 2
    await 'the broker to see it' has_grants 1
    leave 3
    readers=()
    await 'the segment to go' lists_nothing
    await 'its bytes to go' charges_nothing
    run segctl list
    shown 'segctl usage'
    segctl usage >"$folder/usage"
    grep -E '^SECTION| bytes ' "$folder/usage" | indent
}

stop_broker() {
    kill -TERM "$broker"
    wait "$broker" || die 'the broker did not end cleanly'
    [ -z "$(ls "$folder/run")" ] || die 'the broker left something'
}

choose_file
echo 'segbroker: one process owns the shared memory of a host and hands it out.'
echo 'This demo runs a broker of its own and shares this file:'
echo "    $file"
start_broker
produce
read_at_once
copy_on_write
intrude
exceed_quota
kill_producer
last_leaves
stop_broker
printf '\nAll %d steps held, and nothing is left behind.\n' "$step"
