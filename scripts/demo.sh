# To be sourced: a demo of a script's own, in a folder whose `gateway.toml` it has written. The script has a function `fail`.
#   begin_demo PROGRAM FOLDER [ARGUMENTS...]   begins it and waits until it is up; its process is $demo
#   word FOLDER FIRST N                        the Nth word of the line, among those it said, that begins with FIRST
# shellcheck shell=bash

begin_demo() {
    local program=$1 folder=$2
    shift 2
    "$program" demo --dir "$folder/demo" --gateway "$folder/gateway.toml" "$@" >"$folder/said" 2>"$folder/log" &
    demo=$!
    for _ in $(seq 1 600); do
        # The last line that it says when all is up.
        if grep -q '^deciders' "$folder/said"; then return; fi
        kill -0 "$demo" 2>/dev/null || break
        sleep 0.1
    done
    fail "the demo does not start: $(tail -n5 "$folder/said" "$folder/log")"
}

word() { awk -v first="$2" -v n="$3" '$1 == first { print $n }' "$1/said"; }
