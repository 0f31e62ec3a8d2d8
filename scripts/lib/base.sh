# shellcheck shell=bash
# What every script here begins with: where things lie, and how they speak. Source it; it runs nothing.
#
# Everything slow to make is kept outside the checkout, in CACHE, so that a fresh clone does not pay for it again.

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${MEMDECK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/memdeck}
TOOLS=$CACHE/tools
# shellcheck disable=SC2034 # read by the scripts that source this file
SITE_DIR=$ROOT/target/site

say() { printf '%s\n' "$*"; }

# One sentence that says what to do, and the end.
fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        fail "this step needs root ($1): run it as root, or install sudo."
    fi
}

# timed WHAT COMMAND...: says what is done, does it, and says how long it took. A failing command ends the script
# like any other (set -e), so this must not be called in a condition.
timed() {
    local what=$1 began=$SECONDS
    shift
    say "$what ..."
    "$@"
    say "$what: done in $((SECONDS - began)) s"
}
