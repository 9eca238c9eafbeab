#!/usr/bin/env bash
# segctl.exe against segbrokerd.exe: every verb, and its exit status.
set -uo pipefail
build=${BUILD:-build/windows}
folder=$(mktemp -d)
passed=0 failed=0
pipe='\\.\pipe\segbroker-segctl-'$$
export SEGBROKER_SOCKET=$pipe

# shellcheck disable=SC2317 # called by trap
finish() {
    [ -z "${holder:-}" ] || kill "$holder" 2>/dev/null
    segctl shutdown >/dev/null 2>&1
    wait
    rm -rf "$folder"
}
trap finish EXIT

# As Windows calls a file here.
windows() { printf 'Z:%s' "${1//\//\\}"; }

segctl() { timeout 60 wine64 "$build/segctl.exe" "$@"; }

# try WHAT STATUS TEXT ARGUMENT...: segctl ends so, and says so; the rest is
# read from $input.
try() {
    local what=$1 status=$2 text=$3 out got
    shift 3
    out=$(segctl "$@" <"${input:-/dev/null}" 2>&1 | tr -d '\r\0')
    got=${PIPESTATUS[0]}
    if [ "$got" = "$status" ] && [[ $out == *"$text"* ]]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAIL %s: segctl %s: %s, expected %s and "%s": %s\n' \
            "$what" "$*" "$got" "$status" "$text" "$out"
    fi
}

soon() {
    local end=$((SECONDS + 20))
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

check() {
    local what=$1
    shift
    if "$@"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $what"
    fi
}

try 'tells its version' 0 segctl --version
try 'refuses an unknown verb' 2 'no verb' frobnicate
try 'knows when nobody serves' 5 no-broker ping

printf '[default]\nbytes = 8MiB\n' >"$folder/segbroker.conf"
wine64 "$build/segbrokerd.exe" --config "$(windows "$folder/segbroker.conf")" \
    --runtime-dir "$(windows "$folder/run")" --pipe "$pipe" \
    >"$folder/log" 2>&1 &
soon segctl ping

try 'pings' 0 "$pipe" ping
try 'lists nothing' 0 'no segments' list
try 'creates' 0 'kept until' create a 4096 --persist
try 'refuses a name that is taken' 3 exists create a 1 --if-exists fail
try 'refuses what is over quota' 3 '[default]' create big 100M
try 'does not find' 4 not-found info nothing
try 'lists' 0 ' a ' list
try 'lists as JSON' 0 '"name":"a"' list --json
try 'tells about one' 0 '"size":4096' info a --json
try 'tells usage' 0 '8 MiB' usage
try 'tells usage as JSON' 0 '"budget":"bytes"' usage --json
try 'tells clients' 0 'segctl clients' clients
try 'tells counters' 0 segments_created stats
try 'sets the level of the log' 0 '' log-level debug
try 'refuses to restart' 3 not-supported restart

head -c 3000000 /dev/urandom >"$folder/data"
input=$folder/data try 'puts' 0 'kept until' put data --persist
segctl cat data >"$folder/back" 2>/dev/null
check 'cats what was put' cmp -s "$folder/data" "$folder/back"
try 'passes a handle on' 0 SEGBROKER_FD= exec data -- cmd /c set
try 'passes a status on' 7 '' exec data -- cmd /c exit 7

timeout 60 wine64 "$build/segctl.exe" open data >"$folder/out" 2>&1 &
holder=$!
soon grep -q held "$folder/out"
try 'sees who holds' 0 '"grants":1' info data --json
kill "$holder" 2>/dev/null
wait "$holder" 2>/dev/null
holder=

timeout 60 wine64 "$build/segctl.exe" share data >"$folder/ticket" 2>/dev/null &
holder=$!
soon test -s "$folder/ticket"
rm "$folder/out"
timeout 60 wine64 "$build/segctl.exe" redeem <"$folder/ticket" \
    >"$folder/out" 2>&1 &
other=$!
soon grep -q held "$folder/out"
check 'redeems what was shared' grep -q 'ro: ready' "$folder/out"
check 'shares until it is redeemed' wait "$holder"
holder=
try 'makes a freezable one' 0 'kept until' create model 4096 --persist --freezable
try 'cannot freeze it' 3 not-supported freeze model
try 'gives no more rights to write' 0 'but for views' freeze model --future
try 'opens nothing frozen for writing' 3 'it is frozen' open model --access rw
try 'revokes' 0 'and emptied' revoke model
input=$folder/ticket try 'redeems once' 4 not-found redeem
kill "$other" 2>/dev/null
wait "$other" 2>/dev/null

try 'makes one to be published' 0 'kept until' create p 4096 --persist
try 'waits for what is there' 0 '' cat p --wait 1
try 'waits in vain' 4 timeout cat nothing --wait 1
try 'publishes once more' 0 published publish p
try 'removes it' 0 removed remove p

timeout 60 wine64 "$build/segctl.exe" watch w >"$folder/out" 2>&1 &
holder=$!
soon grep -q 'watching until' "$folder/out"
try 'makes what is watched' 0 'kept until' create w1 4096 --persist
try 'ends what is watched' 0 removed remove w1
check 'tells what became of it' soon grep -q 'gone .* w1, 4 KiB' "$folder/out"
kill "$holder" 2>/dev/null
wait "$holder" 2>/dev/null
holder=

try 'makes a doorbell' 0 'kept until' create queue 4096 --persist --doorbell
try 'rings' 0 rung signal queue
try 'was rung for' 0 rung wait queue
try 'waits no longer than it may' 1 timeout wait queue --timeout 1
try 'has none to ring' 3 not-supported signal data
try 'removes the doorbell' 0 removed remove queue

try 'says what large pages need' 3 'SeLockMemoryPrivilege' \
    create large 2M --pages 2M --persist
try 'has none of 1 GiB' 3 'not-supported' create large 1G --pages 1G
try 'places memory on a node' 0 'kept until' create near 4096 --persist --numa 0
try 'tells of it' 0 '"numa":0' info near --json
try 'refuses a node that is not there' 2 'numa: ' create far 4096 --numa 1023
try 'removes what is there' 0 removed remove near

printf '[default]\nbytes = 1MiB\n' >"$folder/segbroker.conf"
try 'reloads' 0 reloaded reload
try 'has the new quota' 0 '1 MiB' usage
printf 'nonsense\n' >"$folder/segbroker.conf"
try 'says what is wrong with a file' 1 'segbroker.conf:1:' reload
try 'removes' 0 removed remove a
try 'removes the other' 0 removed remove data
lists_nothing() { [[ $(segctl list 2>&1) == *'no segments'* ]]; }
check 'has nothing left' soon lists_nothing
try 'ends the broker' 0 'ends' shutdown
try 'finds nobody then' 5 no-broker ping

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
