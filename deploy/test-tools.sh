#!/bin/sh
# Installs the programs that some tests drive, where that is possible, and says so where it is not.
# Never fails: tests that miss their program are skipped by name (and MARQUEE_NO_SKIPS=1 forbids that).
set -u

have() {
    for name in "$@"; do
        command -v "$name" >/dev/null && return 0
        [ -x "/usr/sbin/$name" ] && return 0
    done
    return 1
}

missing=""
have chromium chromium-browser google-chrome || missing="$missing chromium fonts-liberation"
have nginx || missing="$missing nginx"
have redis-server || missing="$missing redis-server"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Not installed here:$missing. The tests that need them will be skipped." >&2
    exit 0
fi
echo "Installing$missing for the tests ..." >&2
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 # run level 1: install, but start no service
log=$(mktemp)
# shellcheck disable=SC2086 # the names are to be split
if ! { apt-get update -qq && apt-get install -qq -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    echo "That did not work. The tests that need them will be skipped." >&2
fi
rm -f "$log"
exit 0
