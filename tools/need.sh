#!/bin/sh
# Usage: tools/need.sh PROGRAM:PACKAGE ...
# Makes sure that programs are on the PATH. What is missing is installed by apt where that is possible.
set -eu
PATH="$PATH:/usr/sbin:/sbin"
missing=""
for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    log=$(mktemp)
    # shellcheck disable=SC2086 # several packages
    if { apt-get update && apt-get install -y --no-install-recommends --no-remove $missing; } >"$log" 2>&1; then
        rm -f "$log"
        exit 0
    fi
    cat "$log" >&2
    rm -f "$log"
    exit 1
fi
echo "missing:$missing" >&2
echo "install them first, on Debian or Ubuntu: sudo apt-get install$missing" >&2
exit 1
