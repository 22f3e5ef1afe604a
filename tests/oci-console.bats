#!/usr/bin/env bats
# The terminal of a container: handed to the engine over --console-socket, and the guest's own from then on.

# shellcheck disable=SC2154 # run sets stderr, background sets job

load oci

setup() {
    oci_setup
    DRIVER=$BUILD/unit/console_driver
    mkfifo keys
    # Open for as long as the test runs, so that the driver's input does not end.
    exec 8<>keys
}

teardown() {
    oci_teardown
}

# terminal_bundle GUEST [ARGUMENT…]: the bundle web, with a terminal.
terminal_bundle() {
    bundle web "$@"
    config web '.process.terminal = true'
}

# An engine that waits for a terminal at the socket `console`, writes its name to `name` and what it shows to `screen`.
engine() {
    background "$DRIVER" console name <keys >screen 2>&1
    engine=$job
    eventually 10 file_has screen listening
}

# shows TEXT: on the terminal, soon.
shows() {
    eventually 10 file_has screen "$1"
}

# `runuk run` of the bundle web in the background.
attached() {
    background "$RUNUK" --root "$ROOT" --settings "$SETTINGS" run --bundle web --console-socket console web \
        >web.out 2>&1 </dev/null
}

@test "the engine receives the master, with the slave's name, when create returns" {
    terminal_bundle time wait
    engine
    create web --console-socket console --pid-file pid
    shows received
    [[ $(cat name) =~ ^/dev/pts/[0-9]+$ ]]
    is web created
    equal "$(cat web.out)" ''
}

@test "the slave is the guest's input, output and controlling terminal; nothing else of it stays open" {
    local fd state
    terminal_bundle time wait
    engine
    create web --console-socket console --pid-file pid
    for state in created running; do
        [[ $state == created ]] || runuk start web
        [[ $state == created ]] || shows waiting
        for fd in 0 1 2; do
            equal "$state $fd $(stat -Lc %t:%T "/proc/$(cat pid)/fd/$fd")" "$state $fd $(stat -c %t:%T "$(cat name)")"
        done
        equal "$state /dev/$(ps -o tty= -p "$(cat pid)")" "$state $(cat name)"
        equal "$state $(stat -Lc %t:%T "/proc/$(cat pid)/fd/"* 2>/dev/null | grep -cx "$(stat -c %t:%T "$(cat name)")")" "$state 3"
    done
}

@test "the guest's output arrives, all of it, and the terminal ends with the guest" {
    terminal_bundle hello one two
    engine
    create web --console-socket console
    runuk start web
    wait_job "$engine"
    equal "$status" 0
    equal "$(tr -d '\r' <screen | tail -n +4)" 'Hello from spt
mem: 536870912
cmdline: one two
arg[0]: one
arg[1]: two'
}

@test "Ctrl-C on the terminal ends the guest with 130, Ctrl-backslash with 131" {
    local key
    for key in '\003:130' '\034:131'; do
        rm -f console
        terminal_bundle time wait
        engine
        attached
        shows waiting
        # shellcheck disable=SC2059 # an escape
        printf "${key%:*}" >&8
        wait_job "$job"
        equal "$key $status $(cat web.out)" "$key ${key#*:} "
        wait_job "$engine"
        no_traces
    done
}

@test "an engine that lets the terminal go hangs the guest up" {
    terminal_bundle time wait
    engine
    attached
    shows waiting
    kill -KILL "$engine"
    wait_job "$job"
    equal "$status" 129
}

@test "the window's size may change without any harm" {
    local i
    terminal_bundle time wait
    engine
    create web --console-socket console --pid-file pid
    runuk start web
    shows waiting
    for i in 10 20 30; do
        stty -F "$(cat name)" rows "$i" cols 132
        runuk kill web WINCH
    done
    is web running
}

@test "a terminal without a socket is an error, and a socket without a terminal is one" {
    terminal_bundle time wait
    run -1 create web
    said 'cannot allocate tty without --console-socket'
    run -1 create web --console-socket ''
    said 'cannot allocate tty without --console-socket'
    config web '.process.terminal = false'
    run -1 create web --console-socket console
    said '--console-socket given, but process.terminal is false'
    no_traces
}

@test "run without a socket shows the terminal on its own standard output, and passes keys on" {
    terminal_bundle hello one two
    run -0 runuk run --bundle web web </dev/null
    said $'arg[1]: two\r'
    no_traces
    # On a terminal of one's own, Ctrl-C is a key that the guest's terminal turns into a signal.
    terminal_bundle time wait
    background timeout 30 script -qec "$RUNUK --root $ROOT --settings $SETTINGS run --bundle web web" /dev/null \
        <keys >screen 2>&1
    shows waiting
    printf '\003' >&8
    wait_job "$job"
    ended 130
    no_traces
    run -1 runuk run --detach --bundle web web
    said 'cannot allocate tty without --console-socket'
}

@test "a socket that nobody listens at is an error, and nothing is left" {
    terminal_bundle time wait
    run -1 create web --console-socket nowhere
    said "connect to console socket 'nowhere': No such file or directory"
    touch file
    run -1 create web --console-socket file
    said "connect to console socket 'file': Connection refused"
    run -1 create web --console-socket "$(printf '%0200d' 0)"
    said 'path too long'
    no_traces
}

@test "a create that fails behind the terminal gives it back" {
    terminal_bundle time wait
    config web '.hooks.prestart = [{path: "/bin/false"}]'
    engine
    run -1 create web --console-socket console
    said "prestart hook '/bin/false': exit status 1"
    wait_job "$engine"
    equal "$status" 0
    no_traces
}
