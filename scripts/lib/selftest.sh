# shellcheck shell=bash
# Proves, on a guest of its own that writes fast, that check-image tells a torn image from a consistent one.

SELFTEST_GUEST=selftest
SELFTEST_RATE_MIBPS=300

# expect WHAT EXIT_CODE COMMAND...: runs the command and counts whether it ended with that exit code.
expect() {
    local what=$1 wanted=$2 code=0 output
    shift 2
    output=$("$@" 2>&1) || code=$?
    if [ "$code" = "$wanted" ]; then
        passed=$((passed + 1))
        say "pass  $what: $output"
    else
        failed=$((failed + 1))
        say "FAIL  $what: exit code $code instead of $wanted: $output"
    fi
}

reaches_rate() {
    local reached
    reached=$(console_line "$SELFTEST_GUEST" ready | sed 's/.*reached_mibps=//')
    say "asked for $SELFTEST_RATE_MIBPS MiB/s, reached $reached"
    awk -v reached="$reached" -v asked="$SELFTEST_RATE_MIBPS" 'BEGIN { exit !(reached >= 0.9 * asked) }'
}

check_image_rules() { "$ROOT/scripts/test-check-image" 2>&1 | tail -n 3 | tr '\n' ' '; }

selftest() {
    local passed=0 failed=0 check=$ROOT/scripts/check-image work
    work=$(mktemp -d)
    # shellcheck disable=SC2064 # the directory of now is meant
    trap "rm -rf '$work'; stop_guest '$SELFTEST_GUEST'" EXIT
    prepare_boot_files
    prepare_tun
    libvirt_answers || fail "libvirt does not answer on $URI: run 'scripts/lab up' first."
    ensure_guests "$(accelerator)" "$SELFTEST_GUEST:256:$SELFTEST_RATE_MIBPS"

    expect "the guest writes as fast as asked" 0 reaches_rate
    # At 256 MiB/s the read takes a second, in which the guest writes its whole buffer more than twice.
    "$ROOT/scripts/read-running-guest" "$SELFTEST_GUEST" 256 "$work/running.raw"
    expect "a read of the running guest is flagged" 1 "$check" "$work/running.raw"
    virsh -q -c "$URI" dump --memory-only "$SELFTEST_GUEST" "$work/dump.elf" >/dev/null
    expect "a dump by libvirt is consistent" 0 "$check" "$work/dump.elf"
    virsh -q -c "$URI" suspend "$SELFTEST_GUEST" >/dev/null
    "$ROOT/scripts/read-running-guest" "$SELFTEST_GUEST" 0 "$work/suspended.raw"
    virsh -q -c "$URI" resume "$SELFTEST_GUEST" >/dev/null
    expect "the same read of the suspended guest is consistent" 0 "$check" "$work/suspended.raw"
    cat "$work/dump.elf" >"$work/cut.elf"
    truncate -s -4096 "$work/cut.elf"
    expect "an image cut short is refused" 3 "$check" "$work/cut.elf"
    truncate -s 1M "$work/empty.raw"
    expect "an image without stamps is refused" 2 "$check" "$work/empty.raw"
    expect "the rules of the stamps hold" 0 check_image_rules
    say "selftest: $passed passed, $failed failed"
    [ "$failed" = 0 ]
}
