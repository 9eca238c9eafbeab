# shellcheck shell=bash
# A Wine prefix for tests, at $WINEPREFIX. To be sourced.

# Makes it, and leaves its server running, also between two programs.
#
# Making it leaves two service managers that know nothing of each other; so it
# is started once more.
make_prefix() {
    mkdir "$WINEPREFIX"
    wine64 wineboot -i && wine64 winecfg -v win10 && wineserver -k &&
        wineserver -w && wineserver -p && wine64 cmd /c exit
}

end_prefix() {
    local sockets

    wineserver -k 2>/dev/null || true
    wineserver -w 2>/dev/null || true
    # Debian's server has them in a folder whose name it leaves here.
    sockets=$(cat "$WINEPREFIX/wineserver" 2>/dev/null || true)
    if [[ $sockets =~ ^wine-[A-Za-z0-9]+$ ]]; then
        rm -rf "/tmp/$sockets"
    fi
}
