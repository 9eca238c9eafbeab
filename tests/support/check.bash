# shellcheck shell=bash
# Counts what holds and what does not, for a script that ends with how many
# passed and failed. To be sourced; makes $folder, which the script removes.
folder=$(mktemp -d)
passed=0
failed=0

# check WHAT COMMAND...
check() {
    local what=$1
    shift
    if "$@" >"$folder/output" 2>&1; then
        passed=$((passed + 1))
        echo "ok $what"
    else
        failed=$((failed + 1))
        echo "not ok $what"
        sed 's/^/    /' "$folder/output"
    fi
}

# soon COMMAND...: it is tried until it succeeds.
soon() {
    local end=$((SECONDS + 20))
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}
