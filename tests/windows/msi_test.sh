#!/usr/bin/env bash
# The installer: it installs and starts the service, a client is served, reload
# applies a changed quota, an upgrade keeps the configuration, and removing
# leaves nothing but that.
set -euo pipefail
. tests/windows/prefix.bash
build=${BUILD:-build/windows}

. tests/support/check.bash
# Its own: the service has one name.
export WINEPREFIX=$folder/prefix
# shellcheck disable=SC2317 # called by trap
finish() {
    end_prefix
    rm -rf "$folder"
}
trap finish EXIT
make_prefix >/dev/null 2>&1

programs=$WINEPREFIX/drive_c/Program\ Files/segbroker
data=$WINEPREFIX/drive_c/ProgramData/segbroker
run() { timeout 60 wine64 "$@" </dev/null; }
segctl() { run "$programs/segctl.exe" "$@"; }
service() { run "$programs/segbrokerd.exe" "$@"; }
install() { run msiexec /i "$1" /qn; }
absent() { [ ! -e "$1" ]; }
shows() {
    local text=$1
    shift
    "$@" 2>&1 | grep -q -- "$text"
}
refused() {
    local text=$1
    shift
    ! "$@" >"$folder/said" 2>&1 && grep -q -- "$text" "$folder/said"
}
fails() { ! "$@"; }
create() { segctl create "$1" 4096 --persist; }

first=$(ls "$build"/segbroker-*-x64.msi)
second=$folder/next.msi
packaging/windows/build-msi 9.9.9 "$build" "$second" >/dev/null 2>&1

check installs install "$first"
check 'starts the service' soon shows running service status
check 'serves a client' soon segctl ping
check stops service stop
check 'says that it has stopped' refused stopped service status
check starts service start
check 'serves again' soon segctl ping
check 'makes a segment' create one
check 'lists it' shows one segctl list
events='HKLM\SYSTEM\CurrentControlSet\Services\EventLog\Application\segbroker'
environment='HKLM\SYSTEM\CurrentControlSet\Control\Session Manager\Environment'
check 'has a source of events' shows EventMessageFile run reg query "$events"
check 'finds segctl by PATH' shows segbroker run reg query \
    "$environment" /v PATH

printf '[default]\nsegments = 1\n' >>"$data/segbroker.conf"
check 'reloads' service reload
check 'has the changed quota' soon shows 'segments  *1  *1 ' segctl usage
check 'applies it' refused quota-exceeded create two

check upgrades install "$second"
check 'keeps the configuration' grep -q '^segments = 1' "$data/segbroker.conf"
check 'serves after the upgrade' soon segctl ping
check 'has the quota still' shows 'segments  *[01]  *1 ' segctl usage

check uninstalls run msiexec /x "$second" /qn
check 'leaves no program' absent "$programs/segbrokerd.exe"
check 'leaves no service' refused segbroker \
    run "$build/segbrokerd.exe" status
check 'leaves the configuration' [ -e "$data/segbroker.conf" ]
check 'leaves no source of events' fails run reg query "$events"
check 'leaves no folder of locks' absent "$data/run"
check 'leaves nothing in PATH' fails shows segbroker run reg query "$environment" \
    /v PATH

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
