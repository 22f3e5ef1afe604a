# Shared by the files that the Bats files load: waiting for what is to come.
# shellcheck shell=bash

# How many times slower than usual this machine is, when it is an emulated one: every bound is that much longer.
export RUNUK_SLOW=${RUNUK_SLOW:-1}

# eventually SECONDS COMMAND…: as soon as it succeeds, with its output; failure when it does not in time, with its last output.
eventually() {
    local end=$((SECONDS + $1 * RUNUK_SLOW)) output
    shift
    until output=$("$@" 2>&1); do
        if ((SECONDS >= end)); then
            printf '%s\n' "$output"
            return 1
        fi
        sleep 0.02
    done
    [[ -z $output ]] || printf '%s\n' "$output"
}

# fetch URL: the page, from the engine's side (`inside`), as soon as it comes within ten seconds.
fetch() {
    eventually 10 inside curl -fsS --max-time 5 "$1"
}

# field_is CONTAINER FILTER VALUE: what `field` of the engine says.
field_is() {
    local value
    value=$(field "$1" "$2")
    echo "$1: $2 is $value"
    [[ $value == "$3" ]]
}
