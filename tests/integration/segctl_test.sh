#!/bin/bash
# segctl against a broker of its own: every verb, every exit status.
#
# Environment: BUILD, the folder with segctl and segbrokerd (default: build).
set -u

build=$(realpath "${BUILD:-build}")
segctl=$build/segctl
folder=$(mktemp -d)
holder= # processes that `hold` started
other=
passed=0
total_failed=0

export SEGBROKER_SOCKET=$folder/run/broker.sock
unset COLUMNS POSIXLY_CORRECT

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

# ---- the tools of a test ----

fail() {
    printf '# %s\n' "$@"
    failed=1
    return 1
}

# await SECONDS COMMAND...: until COMMAND succeeds.
await() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.02
    done
}

# try STATUS ARGUMENT...: segctl ends so; $out and $err have what it printed.
try() {
    local expected=$1 status
    shift
    "$segctl" "$@" >"$folder/out" 2>"$folder/err" <"${input:-/dev/null}"
    status=$?
    out=$(tr -d '\0' <"$folder/out")
    err=$(<"$folder/err")
    [ "$status" -eq "$expected" ] ||
        fail "segctl $*: status $status, not $expected" "stderr: $err"
}

# has TEXT PART...
has() {
    local text=$1 part
    shift
    for part; do
        [[ $text == *"$part"* ]] || fail "'$part' is not in: $text"
    done
}

is() {
    [ "$1" = "$2" ] || fail "got '$1' instead of '$2'"
}

# hold LABEL ARGUMENT...: starts segctl and waits until it is ready.
hold() {
    local label=$1
    shift
    rm -f "$folder/$label.out" "$folder/$label.err"
    "$segctl" "$@" >"$folder/$label.out" 2>"$folder/$label.err" \
        <"${input:-/dev/null}" &
    eval "$label=$!"
    await 20 grep -q 'ready\|created' "$folder/$label.out" \
        "$folder/$label.err" 2>/dev/null ||
        fail "segctl $*: not ready: $(cat "$folder/$label.err")"
}

# ends PID STATUS [SIGNAL]: it ends so, after SIGNAL.
ends() {
    local status
    [ $# -lt 3 ] || kill -"$3" "$1"
    # The shell reports jobs that were killed.
    { wait "$1"; } 2>/dev/null
    status=$?
    [ "$status" -eq "$2" ] || fail "status $status, not $2"
}

absent() {
    ! "$segctl" info "$@" >/dev/null 2>&1
}

# json FILE [EXPRESSION]: it is JSON, and EXPRESSION of `it` holds.
json() {
    python3 -m json.tool "$1" >/dev/null 2>&1 || {
        fail "no JSON: $(cat "$1")"
        return
    }
    python3 -c 'import json, sys
it = json.load(open(sys.argv[1], encoding="utf-8"))
sys.exit(0 if eval("(" + sys.argv[2] + ")") else 1)' "$1" "${2:-True}" ||
        fail "not $2: $(cat "$1")"
}

# start_broker DIR CONFIG: sets $broker and waits until it answers.
start_broker() {
    mkdir -p "$1"
    chmod 755 "$1"
    printf '%s\n' "$2" >"$1.conf"
    "$build/segbrokerd" --runtime-dir "$1" --config "$1.conf" 2>"$1.log" &
    broker=$!
    if ! await 20 settled "$1" "$broker" || ! answers "$1"; then
        cat "$1.log"
        echo 'segctl_test: the broker does not serve' >&2
        exit 1
    fi
}

answers() {
    "$segctl" --socket "$1/broker.sock" ping >/dev/null 2>&1
}

settled() {
    ! kill -0 "$2" 2>/dev/null || answers "$1"
}

random_file() {
    head -c "$2" /dev/urandom >"$folder/$1"
}

skip() {
    printf '# skipped: %s\n' "$1"
}

check() {
    failed=0
    input=
    "$1"
    if [ "$failed" -eq 0 ]; then
        passed=$((passed + 1))
        echo "ok $1"
    else
        total_failed=$((total_failed + 1))
        echo "not ok $1"
    fi
}

# ---- the command line ----

helps() {
    local verb all
    try 0 --help
    all=$out
    has "$all" 'Usage: segctl' 'Exit status' --socket --json
    for verb in create open put cat list info usage clients stats \
        remove publish reload ping exec log-level restart shutdown; do
        has "$all" "  $verb "
        try 0 "$verb" --help
        has "$out" "Usage: segctl $verb "
        awk 'length > 80 { exit 1 }' "$folder/out" || fail "$verb: too wide"
    done
}

tells_its_version() {
    try 0 --version
    has "$out" 'segctl 0.'
}

refuses_wrong_usage() {
    local line
    while read -r line; do
        # shellcheck disable=SC2086 # words
        try 2 $line
        has "$err" 'segctl: ' "; try 'segctl " "--help'"
        is "$(wc -l <"$folder/err")" 1
        is "$out" ''
    done <<-'LINES'

	nonsense
	--nonsense list
	--socket
	list --nonsense
	list -x
	list --json=1
	list --socket
	list a b
	list --all
	create
	create frames
	create frames 0
	create frames -1
	create frames 1.5
	create frames 4096B
	create frames 4KB
	create frames 99999999999999999999
	create frames 99999999T
	create a b 4096
	create frames 4096 --access wo
	create frames 4096 --if-exists maybe
	put
	put a b
	put frames --size big
	cat
	cat --id x
	cat --id 1 frames
	cat frames --json
	open
	remove
	info a b
	ping -c 0
	ping -c
	exec frames
	exec frames --fd 3
	exec frames --fd 256 -- true
	exec frames --json -- true
	--json exec frames -- true
	log-level
	shutdown now
	LINES
    try 2 create frames 12q
    has "$err" 12q "try 'segctl create --help'"
}

escapes_what_it_repeats() {
    try 2 create $'bad\e[2Jname\n' 4096
    has "$err" 'invalid-name' '\x1b[2J' '\x0a'
    is "$(wc -l <"$folder/err")" 1
    try 2 $'verb\e[2J'
    has "$err" '\x1b'
}

knows_when_nobody_serves() {
    try 5 --socket "$folder/nowhere.sock" list
    has "$err" 'segctl: list: no-broker: '
    SEGBROKER_SOCKET=$folder/nowhere.sock try 5 cat frames
    try 0 list --socket "$SEGBROKER_SOCKET"
}

# ---- create and open ----

create_holds_until_interrupted() {
    hold holder create frames 64KiB
    has "$(cat "$folder/holder.err")" frames '64 KiB' 'held until interrupted'
    try 0 info frames
    has "$out" '65536 bytes' named
    ends "$holder" 0 TERM
    await 5 absent frames || fail 'the name is still there'
    try 4 info frames
    has "$err" 'segctl: info frames: not-found: '
}

create_ends_at_ctrl_c() {
    rm -f "$folder/holder.err"
    env --default-signal=INT "$segctl" create frames 1 \
        2>"$folder/holder.err" &
    await 20 grep -qs ready "$folder/holder.err" || fail 'not ready'
    ends $! 0 INT
}

killing_the_holder_frees_the_name() {
    hold holder create frames 4096
    hold other open frames
    ends "$holder" 137 KILL
    try 0 info frames
    ends "$other" 137 KILL
    await 5 absent frames || fail 'the name is still there'
}

persistent_ones_stay() {
    try 0 create kept 4096 --persist
    has "$err" 'ready, kept until it is removed'
    is "$out" ''
    try 0 list
    has "$out" kept persistent
    try 3 create kept 4096 --if-exists fail
    has "$err" 'segctl: create kept: exists: '
    try 0 create kept 4096 --persist
    try 0 remove kept
    try 4 remove kept
    try 4 open kept
    try 4 cat kept
    try 4 exec kept -- true
}

persist_does_not_believe_in_others() {
    hold holder create frames 4096
    try 3 create frames 4096 --persist
    has "$err" 'not persistent'
    ends "$holder" 0 TERM
}

create_opens_what_exists() {
    hold holder create frames 8192
    hold other --json create frames 1 --access ro
    json "$folder/other.out" 'it["created"] is False and it["size"] == 8192 and
        it["access"] == "ro" and it["name"] == "frames"'
    ends "$other" 0 TERM
    ends "$holder" 0 TERM
}

create_makes_segments_of_files() {
    printf 'once upon a time' >"$folder/tale"
    hold holder --json create --file "$folder/tale" tale
    json "$folder/holder.out" 'it["size"] == 16 and it["mapped_size"] == 16'
    try 0 cat tale
    is "$out" 'once upon a time'
    try 0 --json info tale
    json "$folder/out" 'it["of_file"] is True'
    ends "$holder" 0 TERM
    hold holder create --file "$folder/tale" tale 5000
    is "$(wc -c <"$folder/tale")" 5000
    ends "$holder" 0 TERM
    try 1 create --file "$folder/none" tale
    has "$err" 'none: No such file'
    try 2 create --file "$folder" --access ro tale
    has "$err" 'regular file'
    : >"$folder/empty"
    try 3 create --file "$folder/empty" tale
    has "$err" 'file-empty'
}

open_takes_all_names_or_none() {
    local one two both
    hold one create one 10
    hold two create two 20
    hold both --json open one two
    sed -n 1p "$folder/both.out" >"$folder/first"
    sed -n 2p "$folder/both.out" >"$folder/behind"
    json "$folder/first" 'it["name"] == "one" and it["size"] == 10'
    json "$folder/behind" 'it["name"] == "two" and it["size"] == 20'
    ends "$both" 0 TERM
    try 4 open one none two
    has "$err" 'segctl: open one: not-found: items[1]: '
    # shellcheck disable=SC2046 # so many words
    try 2 open $(seq 65)
    has "$err" '1 to 64'
    ends "$one" 0 TERM
    ends "$two" 0 TERM
}

unnamed_ones_are_opened_by_id() {
    local id
    hold holder --json create 10
    json "$folder/holder.out" 'it["name"] is None and it["size"] == 10 and
        it["mapped_size"] >= 4096 and it["created"] is True'
    id=$(grep -o '"segment":[0-9]*' "$folder/holder.out" | cut -d: -f2)
    hold other open --id "$id" --access cow
    try 0 info --id "$id"
    has "$out" unnamed '10 bytes'
    try 0 cat --id "$id"
    is "$(wc -c <"$folder/out")" 10
    try 0 exec --id "$id" -- true
    ends "$other" 0 TERM
    ends "$holder" 0 TERM
    try 4 cat --id 999999999
    has "$err" 'segctl: cat --id 999999999: not-found'
}

sizes_have_units() {
    local pair
    for pair in 4096:4096 64K:65536 64KiB:65536 1M:1048576 2MiB:2097152; do
        try 0 --json create sized "${pair%:*}" --persist --reserve
        json "$folder/out" "it['size'] == ${pair#*:}"
        try 0 remove sized
    done
}

refusals_say_which_budget() {
    try 3 create big 1T
    has "$err" 'segctl: create big: quota-exceeded: bytes' '64 MiB' default
    try 3 put big --size 65MiB
    has "$err" quota-exceeded
    try 2 create shared 4096 --share-read nobody-knows
    has "$err" invalid-argument
}

quiet_is_quiet() {
    try 0 --quiet create kept 4096 --persist
    is "$out$err" ''
    try 0 -q remove kept
    is "$out$err" ''
    try 0 -q list
    is "$out$err" ''
}

# ---- put and cat ----

copies_files_whole() {
    local size
    for size in 1 4095 4096 4097 65536 1048577 20000003; do
        random_file data "$size"
        input=$folder/data hold holder put data
        try 0 cat data
        cmp "$folder/data" "$folder/out" || fail "$size bytes differ"
        ends "$holder" 0 TERM
        await 5 absent data || fail 'the name is still there'
    done
}

copies_pipes_whole() {
    local size
    for size in 1 65537 3000000; do
        random_file data "$size"
        # shellcheck disable=SC2002 # a pipe is the point
        cat "$folder/data" | "$segctl" -q put piped --persist ||
            fail 'put failed'
        try 0 cat piped
        cmp "$folder/data" "$folder/out" || fail "$size bytes differ"
        try 0 remove piped
    done
}

put_begins_where_stdin_stands() {
    printf 'abcdef' >"$folder/data"
    exec 9<"$folder/data"
    dd bs=1 count=3 <&9 >/dev/null 2>&1
    "$segctl" -q put rest --persist <&9 || fail 'put failed'
    exec 9<&-
    try 0 cat rest
    is "$out" def
    try 0 remove rest
}

put_takes_a_size() {
    printf 'abc' >"$folder/data"
    input=$folder/data
    try 0 put sized --size 3 --persist
    try 0 remove sized
    try 0 put sized --size 5 --persist
    try 0 cat sized
    printf 'abc\0\0' | cmp - "$folder/out" || fail 'not filled with zeros'
    try 0 remove sized
    try 1 put sized --size 2 --persist
    has "$err" 'segctl: put sized: stdin has more than'
    absent sized || fail 'half a segment was left'
}

put_refuses_nothing_and_taken_names() {
    try 1 put empty
    has "$err" 'segctl: put empty: stdin is empty' 'at least one byte'
    try 1 put empty --persist
    absent empty || fail 'it is there'
    hold holder create taken 4096
    printf 'abc' >"$folder/data"
    input=$folder/data
    try 3 put taken
    has "$err" 'segctl: put taken: exists: '
    try 0 cat taken
    is "$out" ''
    ends "$holder" 0 TERM
}

put_interrupted_leaves_nothing() {
    mkfifo "$folder/fifo"
    "$segctl" put half --size 4096 --persist <"$folder/fifo" \
        2>"$folder/err" &
    exec 9>"$folder/fifo"
    printf 'abc' >&9
    await 20 "$segctl" info half >/dev/null 2>&1 || fail 'it did not begin'
    ends $! 1 TERM
    exec 9>&-
    has "$(cat "$folder/err")" interrupted
    absent half || fail 'half a segment was left'
    rm "$folder/fifo"
}

put_shares() {
    try 0 -q create shared 4096 --persist --share-read everyone \
        --share-write user:root
    try 0 remove shared
}

says_when_stdout_is_lost() {
    random_file data 300000
    input=$folder/data
    try 0 -q put data --persist
    input=
    "$segctl" cat data 2>"$folder/err" | head -c 10 >/dev/null
    is "$(cat "$folder/err")" ''
    (
        trap '' PIPE
        exec "$segctl" cat data
    ) 2>"$folder/err" | head -c 10 >/dev/null
    is "$(cat "$folder/err")" ''
    local words
    for words in 'cat data' list usage 'info data' info stats 'list --json' \
        --help 'list --help' --version ping 'create --json --persist data 9'; do
        # shellcheck disable=SC2086 # words
        "$segctl" $words >/dev/full 2>"$folder/err"
        is "$?" 1
        has "$(cat "$folder/err")" stdout 'No space left'
        # shellcheck disable=SC2086 # words
        "$segctl" $words >&- 2>"$folder/err"
        is "$?" 1
        has "$(cat "$folder/err")" stdout
    done
    try 0 remove data
}

# ---- what is there ----

lists_by_prefix() {
    local name
    for name in cam/0 cam/1 audio; do
        try 0 -q create "$name" 5000 --persist
    done
    try 0 list cam/
    is "$(wc -l <<<"$out")" 3
    has "$out" ID NAME SIZE cam/0 cam/1 '4.9 KiB'
    try 0 list --json cam/
    json "$folder/out" '[row["name"] for row in it] == ["cam/0", "cam/1"]'
    json "$folder/out" 'it[0]["size"] == 5000 and it[0]["persist"] is True and
        it[0]["state"] == "named" and it[0]["may"] == "rw" and
        it[0]["grants"] == 0 and it[0]["owner"].startswith("user:")'
    try 0 list nothing/
    is "$out" ''
    has "$err" 'no segments'
    try 0 list --json nothing/
    is "$out" '[]'
    for name in cam/0 cam/1 audio; do
        try 0 -q remove "$name"
    done
}

lists_more_than_a_page() {
    local i
    for i in $(seq 120); do
        "$segctl" -q create "many/$i" 1 --persist --reserve || fail "many/$i"
    done
    try 0 list many/
    is "$(wc -l <<<"$out")" 121
    for i in $(seq 120); do
        "$segctl" -q remove "many/$i" || fail "many/$i"
    done
}

tells_about_the_broker() {
    try 0 info
    has "$out" "$SEGBROKER_SOCKET" segbroker/ "user:$(id -un)" administrator \
        features lifetime
    [[ $out == *'exact: charged until'* || $out == *'by grants: '* ]] ||
        fail "lifetime: $out"
    try 0 info --json
    json "$folder/out" 'it["administrator"] is True and
        isinstance(it["features"], list) and it["server"]'
}

every_verb_speaks_json() {
    local words
    try 0 -q create kept 4096 --persist
    for words in list 'info kept' info 'usage --all' usage clients stats \
        'ping -c 3' 'log-level info' reload 'create kept 1 --persist' \
        'remove kept'; do
        # shellcheck disable=SC2086 # words
        try 0 $words --json
        json "$folder/out"
        is "$(wc -l <"$folder/out")" 1
    done
    printf 'abc' >"$folder/data"
    input=$folder/data
    try 0 put kept --persist --json
    json "$folder/out" 'it["size"] == 3'
    try 0 --json remove kept
    json "$folder/out" 'it["ok"] is True'
}

tells_usage() {
    hold holder create frames 32MiB
    try 0 usage
    has "$out" SECTION BUDGET USED LIMIT total bytes '32 MiB' '64 MiB' 50%
    try 0 usage --all --json
    json "$folder/out" 'any(row["budget"] == "bytes" and
        row["used"] == 32 << 20 and row["limit"] == 64 << 20 for row in it)'
    json "$folder/out" 'any(row["limit"] is None for row in it)'
    ends "$holder" 0 TERM
}

administrators_see_and_steer() {
    hold holder create frames 4096
    try 0 clients
    has "$out" CLIENT 'segctl clients' 'segctl create' "$holder"
    try 0 stats
    has "$out" connections requests segments
    try 0 ping
    has "$out" segbroker/ 'time=' ' ms'
    try 0 ping -c 3
    is "$(wc -l <"$folder/out")" 4
    try 0 log-level debug
    try 0 log-level info
    try 2 log-level loud
    ends "$holder" 0 TERM
}

reload_says_what_is_wrong() {
    local config=$folder/run.conf
    cp "$config" "$folder/good.conf"
    echo 'nonsense = 1' >>"$config"
    try 1 reload
    has "$err" 'segctl: reload: ' nonsense
    cp "$folder/good.conf" "$config"
    try 0 reload
}

others_are_refused() {
    if [ "$(id -u)" -ne 0 ] || ! command -v setpriv >/dev/null; then
        skip 'needs root and setpriv'
        return
    fi
    local segctl=$folder/segctl words
    cp "$build/segctl" "$segctl"
    chmod 755 "$segctl"
    chmod 711 "$folder"
    as_other() {
        setpriv --reuid 65534 --regid 65534 --clear-groups "$segctl" "$@" \
            >"$folder/out" 2>"$folder/err" </dev/null
    }
    for words in 'usage --all' stats clients reload shutdown \
        'log-level debug' 'create global/x 4096'; do
        # shellcheck disable=SC2086 # words
        as_other $words
        is "$?" 3
        has "$(cat "$folder/err")" access-denied
    done
    try 0 -q create private 4096 --persist
    as_other cat private
    is "$?" 4
    as_other info
    has "$(cat "$folder/out")" 'enforced: '
    try 0 -q remove private
    chmod 700 "$folder"
}

# ---- exec ----

exec_hands_the_segment_over() {
    printf 'hello' >"$folder/data"
    input=$folder/data hold holder put greeting
    # shellcheck disable=SC2016 # for the inner shell
    try 0 exec greeting -- sh -c 'head -c $SEGBROKER_SIZE <&3
        echo " $SEGBROKER_FD $SEGBROKER_SIZE $SEGBROKER_NAME"'
    is "$out" 'hello 3 5 greeting'
    try 0 exec greeting --fd 0 -- head -c 0
    # shellcheck disable=SC2016 # for the inner shell
    try 0 exec greeting --fd 7 -- sh -c '
        test -e /proc/self/fd/7 && test ! -e /proc/self/fd/3 &&
        echo $SEGBROKER_FD'
    is "$out" 7
    ends "$holder" 0 TERM
}

exec_keeps_to_the_access() {
    printf 'hello' >"$folder/data"
    input=$folder/data hold holder put greeting
    try 1 exec greeting -- sh -c 'exec 2>/dev/null; printf J >&3 || exit 1'
    try 0 cat greeting
    is "$out" hello
    try 0 exec greeting --access rw -- sh -c 'printf J >&3'
    try 0 cat greeting
    is "$out" Jello
    ends "$holder" 0 TERM
}

exec_ends_as_the_command_does() {
    hold holder create frames 4096
    try 0 exec frames -- true
    try 7 exec frames -- sh -c 'exit 7'
    try 127 exec frames -- no-such-command-at-all
    has "$err" no-such-command-at-all 'No such file'
    try 126 exec frames -- "$folder"
    has "$err" 'ermission denied'
    # shellcheck disable=SC2016 # for the inner shell
    try 143 exec frames -- sh -c 'kill -TERM $$'
    mkfifo "$folder/fifo"
    # shellcheck disable=SC2016 # for the inner shell
    "$segctl" exec frames -- sh -c \
        'trap "exit 9" TERM; echo up; read -r _ <>"$1"' sh "$folder/fifo" \
        >"$folder/up" &
    await 20 grep -q up "$folder/up" || fail 'it did not begin'
    ends $! 9 TERM
    rm "$folder/fifo"
    ends "$holder" 0 TERM
}

# ---- on a terminal ----

# on_terminal COMMAND: its output on a terminal, in $folder/typescript.
on_terminal() {
    SHELL=/bin/sh script -qec "$1" "$folder/typescript" </dev/null >/dev/null
    tr -d '\r' <"$folder/typescript" | grep -v '^Script ' >"$folder/screen"
}

# Each line of the screen has at most so many characters.
fits() {
    python3 -c 'import sys
lines = open(sys.argv[1], encoding="utf-8").read().split("\n")
sys.exit(any(len(line) > int(sys.argv[2]) for line in lines))' \
        "$folder/screen" "$1" || fail "wider than $1:" "$(cat "$folder/screen")"
}

tables_fit_a_terminal() {
    if ! command -v script >/dev/null; then
        skip 'needs script'
        return
    fi
    local long=a-very-long-name/of-some-segment/that-does-not-fit/at-all-0001
    try 0 -q create "$long" 4096 --persist
    try 0 -q create "äöü/$long" 4096 --persist
    try 0 list
    has "$out" "$long" "äöü/$long" OWNER
    on_terminal "COLUMNS=40 '$segctl' list"
    fits 40
    has "$(cat "$folder/screen")" a-very-long '~' '4 KiB'
    on_terminal "stty cols 60; '$segctl' list"
    fits 60
    has "$(cat "$folder/screen")" '~'
    on_terminal "stty cols 200; '$segctl' list"
    has "$(cat "$folder/screen")" "$long" "äöü/$long"
    on_terminal "COLUMNS=30 '$segctl' clients; COLUMNS=30 '$segctl' usage"
    fits 30
    try 0 -q remove "$long"
    try 0 -q remove "äöü/$long"
}

feed_until_progress() {
    local end=$((SECONDS + 20))
    until grep -q ' of 60 MiB, ' "$folder/typescript"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        head -c 65536 /dev/zero
        sleep 0.02
    done
}

shows_progress_on_a_terminal() {
    if ! command -v script >/dev/null; then
        skip 'needs script'
        return
    fi
    mkfifo "$folder/fifo"
    : >"$folder/typescript"
    SHELL=/bin/sh script -qfec \
        "'$segctl' put slow --size 60MiB --persist <'$folder/fifo'" \
        "$folder/typescript" </dev/null >/dev/null &
    feed_until_progress >"$folder/fifo" || fail 'no progress was shown'
    ends $! 0
    try 0 remove slow
    rm "$folder/fifo"
}

# ---- tickets ----

share_ends_when_redeemed() {
    local id
    hold holder create 8192
    id=$(grep -o -E '[0-9]+' "$folder/holder.err" | head -1)
    rm -f "$folder/ticket"
    "$segctl" share --id "$id" --access rw --uses 2 >"$folder/ticket" &
    other=$!
    await 5 test -s "$folder/ticket" || fail 'no ticket'
    input=$folder/ticket hold first redeem
    has "$(cat "$folder/first.err")" "segment $id, " ' rw: ready'
    kill -0 "$other" || fail 'it did not wait for the second one'
    ends "$holder" 0 TERM
    # Given on the command line, which is what the page warns of.
    hold second redeem "$(<"$folder/ticket")"
    ends "$other" 0
    input=$folder/ticket try 4 redeem -
    has "$err" 'segctl: redeem: not-found'
    [[ $err != *"$(cut -d - -f 2 "$folder/ticket")"* ]] || fail 'it is told'
    ends "${first:?}" 0 TERM
    ends "${second:?}" 0 TERM
}

share_ends_with_its_ticket() {
    hold holder create short 4096
    try 0 share short --expires 1s --json
    json "$folder/out" 'it["segment"] > 0 and len(it["ticket"]) > 65'
    ends "$holder" 0 TERM
    try 4 share short
    try 2 redeem
    has "$err" 'no ticket'
    try 2 redeem 'what is none'
    try 2 share short --uses 0
    try 2 share short --expires 2d
    try 2 share short --expires 25h
}

# ---- freeze and revoke ----

freezes_what_is_freezable() {
    printf 'for ever' >"$folder/data"
    input=$folder/data try 0 put model --persist --freezable
    try 0 create plain 4096 --persist
    try 3 freeze plain --future
    has "$err" 'segctl: freeze plain: not-supported' freezable
    try 0 freeze model --future
    has "$err" 'frozen, but for views'
    try 3 open model --access rw
    has "$err" 'it is frozen'
    try 0 info model --json
    json "$folder/out" 'it["freezable"] and it["frozen"] == "future"'
    try 0 info --json
    if [[ $out == *'"freeze"'* ]]; then
        try 0 freeze model --json
        try 0 info model
        has "$out" 'frozen' 'yes'
    fi
    try 0 cat model
    is "$out" 'for ever'
    try 0 remove model
    try 0 remove plain
    try 2 freeze
}

revokes() {
    hold holder create frames 4096
    try 0 revoke frames --json
    json "$folder/out" 'it["ok"] and it["emptied"]'
    try 4 info frames
    try 4 revoke frames
    ends "$holder" 0 TERM
}

# ---- publishing ----

publishes() {
    hold holder create later 4096 --persist --publish-later
    try 3 open later
    has "$err" 'segctl: open later: busy' 'not published yet'
    try 0 info later --json
    json "$folder/out" 'not it["published"]'
    try 0 info later
    has "$out" 'published' 'not yet'
    try 0 publish later
    has "$err" published
    try 0 publish later --json
    json "$folder/out" 'it["ok"]'
    try 0 info later --json
    json "$folder/out" 'it["published"]'
    try 0 cat later
    ends "$holder" 0 TERM
    try 0 remove later
    try 4 publish later
    try 2 put later --publish-later
}

put_is_opened_when_all_is_there() {
    mkfifo "$folder/fifo"
    "$segctl" -q put half --size 3 --persist <"$folder/fifo" &
    exec 9>"$folder/fifo"
    printf 'ab' >&9
    await 20 "$segctl" info half >/dev/null 2>&1 || fail 'it did not begin'
    try 3 cat half
    has "$err" 'segctl: cat half: busy'
    printf 'c' >&9
    exec 9>&-
    ends $! 0
    try 0 cat half
    is "$out" abc
    try 0 remove half
    rm "$folder/fifo"
}

waits_for_names() {
    local waiter
    "$segctl" -q cat coming --wait 1m >"$folder/came" &
    waiter=$!
    printf abc >"$folder/data"
    input=$folder/data
    try 0 -q put coming --persist
    input=
    wait "$waiter" || fail "the waiter ended with $?"
    is "$(<"$folder/came")" abc
    try 0 cat coming --wait 1
    try 0 exec coming --wait 1 -- true
    try 4 open nothing --wait 1
    has "$err" 'segctl: open nothing: timeout' 'within 1000 ms'
    try 2 open coming --wait 0
    has "$err" "--wait '0' is no time"
    try 2 list --wait 1
    try 0 remove coming
}

watches_segments() {
    local lines values
    "$segctl" watch cam/ >"$folder/lines" 2>"$folder/err" &
    lines=$!
    "$segctl" watch --json >"$folder/json" 2>/dev/null &
    values=$!
    await 20 grep -q 'watching until interrupted' "$folder/err" ||
        fail 'it does not watch'
    # Until both are there.
    await 20 eval "try 0 -q create warm 1 --persist && try 0 -q remove warm &&
        grep -q gone '$folder/json'" || fail 'no JSON came'
    try 0 create other 4096 --persist
    try 0 create cam/0 4096 --persist --freezable
    try 0 freeze cam/0 --future
    try 0 remove cam/0
    try 0 remove other
    await 20 grep -q '^gone' "$folder/lines" || fail 'not told of the end'
    await 20 grep -q '"gone".*"other"' "$folder/json" ||
        fail 'not told as JSON'
    is "$(cut -d ' ' -f 1,3 "$folder/lines" | tr '\n' ' ')" \
        'created cam/0, frozen cam/0, removed cam/0, gone cam/0, '
    has "$(<"$folder/lines")" '4 KiB, user:'
    grep '"created".*"other"' "$folder/json" >"$folder/out"
    json "$folder/out" 'it["published"] and it["size"] == 4096'
    ends "$lines" 0 TERM
    ends "$values" 0 TERM
}

# Events come one upon the other meanwhile.
ends_watching_when_stdout_is_lost() {
    local watcher
    "$segctl" watch >/dev/full 2>"$folder/lost" &
    watcher=$!
    await 20 grep -q 'watching until interrupted' "$folder/lost" ||
        fail 'it does not watch'
    await 20 eval "try 0 -q create more 1 --persist && try 0 -q remove more &&
        ! kill -0 $watcher 2>/dev/null" || fail 'it watches on'
    kill "$watcher" 2>/dev/null
    ends "$watcher" 1
    has "$(<"$folder/lost")" stdout 'No space left'
}

# ---- doorbells ----

rings_and_waits() {
    local waiter
    try 0 create queue 4096 --persist --doorbell
    try 0 create plain 4096 --persist
    try 0 info queue --json
    json "$folder/out" 'it["doorbell"]'
    try 0 info plain --json
    json "$folder/out" 'not it["doorbell"]'
    try 0 info queue
    has "$out" doorbell yes
    # What was rung before is kept.
    try 0 signal queue
    has "$err" rung
    try 0 wait queue --json
    json "$folder/out" 'it["ok"]'
    try 1 wait queue --timeout 1
    has "$err" 'segctl: wait queue: timeout'
    "$segctl" wait queue --timeout 1m 2>"$folder/waiter" &
    waiter=$!
    try 0 signal queue --json
    json "$folder/out" 'it["ok"]'
    wait "$waiter" || fail "the waiter ended with $?"
    has "$(<"$folder/waiter")" rung
    try 0 signal queue --all
    try 3 signal plain
    has "$err" 'segctl: signal plain: not-supported' 'without a doorbell'
    try 3 wait plain --timeout 1
    try 4 signal nothing
    try 2 signal
    try 2 wait queue --timeout 0
    try 2 wait queue --timeout 2d
    try 2 signal queue --timeout 1
    try 0 remove queue
    try 0 remove plain
}

# ---- pages ----

places_memory() {
    # Larger than every pool, and than the quota: whichever is asked first.
    try 3 create huge 1T --pages 2M
    try 3 create huge 1T --pages 1G
    try 2 create huge 4096 --pages 4K
    has "$err" "--pages '4K'"
    try 2 create far 4096 --numa 1024
    try 2 create far 4096 --numa -1
    try 0 create plain 4096 --persist --pages default
    try 0 info plain --json
    json "$folder/out" 'it["pages"] == "default" and it["numa"] is None'
    try 0 remove plain
    try 0 info --json
    grep -q '"numa"' "$folder/out" || return 0
    try 2 create far 4096 --numa 1023
    has "$err" 'segctl: create far: invalid-argument: numa: '
    try 0 create near 4096 --persist --numa 0
    try 0 info near --json
    json "$folder/out" 'it["numa"] == 0'
    try 0 info near
    has "$out" node 0
    try 0 remove near
}

# ---- the end ----

holders_see_the_broker_end() {
    local main=$broker second
    start_broker "$folder/second" ''
    second=$broker
    broker=$main
    SEGBROKER_SOCKET=$folder/second/broker.sock hold holder create frames 4096
    try 0 --socket "$folder/second/broker.sock" shutdown
    ends "$second" 0
    ends "$holder" 5
    has "$(cat "$folder/holder.err")" 'segctl: create frames: gone: '
}

lists_nothing() {
    [ "$("$segctl" list --json)" = '[]' ]
}

nothing_is_left() {
    await 5 lists_nothing || fail "left: $("$segctl" list)"
    ends "$broker" 0 TERM
    [ -z "$(ls "$folder/run")" ] || fail "left: $(ls "$folder/run")"
}

start_broker "$folder/run" '[default]
bytes = 64MiB'

for test in helps tells_its_version refuses_wrong_usage \
    escapes_what_it_repeats knows_when_nobody_serves \
    create_holds_until_interrupted create_ends_at_ctrl_c \
    killing_the_holder_frees_the_name persistent_ones_stay \
    persist_does_not_believe_in_others create_opens_what_exists \
    create_makes_segments_of_files open_takes_all_names_or_none unnamed_ones_are_opened_by_id sizes_have_units refusals_say_which_budget \
    quiet_is_quiet copies_files_whole copies_pipes_whole \
    put_begins_where_stdin_stands put_takes_a_size \
    put_refuses_nothing_and_taken_names put_interrupted_leaves_nothing \
    put_shares says_when_stdout_is_lost lists_by_prefix \
    lists_more_than_a_page tells_about_the_broker every_verb_speaks_json \
    tells_usage administrators_see_and_steer reload_says_what_is_wrong \
    others_are_refused exec_hands_the_segment_over exec_keeps_to_the_access \
    exec_ends_as_the_command_does tables_fit_a_terminal \
    shows_progress_on_a_terminal share_ends_when_redeemed \
    share_ends_with_its_ticket freezes_what_is_freezable revokes publishes \
    put_is_opened_when_all_is_there waits_for_names watches_segments \
    ends_watching_when_stdout_is_lost rings_and_waits places_memory \
    holders_see_the_broker_end nothing_is_left; do
    check "$test"
done

echo "$passed passed, $total_failed failed"
[ "$total_failed" -eq 0 ]
