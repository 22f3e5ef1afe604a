#!/usr/bin/env bats
# Containers that hold no unikernel are runc's: every call for them gets there as it came, and neither runtime takes the other's
# container for its own.

# shellcheck disable=SC2154 # run sets stderr, background sets job

load oci

setup() {
    oci_setup
}

teardown() {
    local dir
    # What runc still has is ended by runc itself.
    for dir in "$ROOT"/*/; do
        [[ ! -e ${dir}state.json ]] || timeout 30 "$(type -P runc)" --root "$ROOT" delete --force "$(basename "$dir")" || :
    done >/dev/null 2>&1
    oci_teardown
}

# A runc that prints its arguments as a JSON array, then what it reads, and ends with 42.
recorder() {
    mkdir -p recorder
    printf '#!/bin/sh\njq -cn "\\$ARGS.positional" --args -- "$@"\ncat\nexit 42\n' >recorder/runc
    chmod +x recorder/runc
}

recording() {
    recorder
    settings '.runc = $path' --arg path "$PWD/recorder/runc"
}

# A container of runc's, as far as one can tell from outside.
someone_elses() {
    mkdir -p "$ROOT/$1"
    echo '{}' >"$ROOT/$1/state.json"
}

forget() {
    rm -r "${ROOT:?}/$1"
}

# --- as it came -----------------------------------------------------------------------------------------------------------

@test "every verb reaches runc with its arguments unchanged, and its input and status come back" {
    local call
    recording
    linux_bundle linux true
    someone_elses there
    local -a calls=(
        'create --bundle linux --pid-file /x/pid new'
        'create new --bundle linux --no-pivot'
        'create -b linux --preserve-fds 3 --console-socket=/x/sock --no-new-keyring -- new'
        'create --bundle linux --pidfd-socket /x/sock new'
        'run --detach --bundle linux new'
        'run --keep --no-subreaper --pidfd-socket=/x/sock --bundle linux new'
        'start there'
        'state there'
        'kill there 15'
        'kill --all there KILL'
        'kill there KILL -a'
        'delete there'
        'delete there --force'
        'exec --process /tmp/p --console-socket /tmp/s --detach --pid-file /tmp/f there'
        'exec there sh -c true'
        'exec -t --cwd / -e A=b there ls --color=auto -- x'
        'ps --format json there'
        'ps there -ef'
        'events --stats there'
        'pause there'
        'resume there'
        'update --resources - there'
        'update --cpu-rt-period 1 --cpu-rt-runtime 1 --l3-cache-schema x --mem-bw-schema y --cpu-idle 1 --cpu-burst 1 there'
        'checkpoint --image-path /i --work-path /w there'
        'checkpoint --help'
        'restore --image-path /i --work-path /w --detach --pid-file /f --bundle /b -no-subreaper there'
        'spec --rootless'
        'frobnicate --some thing'
    )
    for call in "${calls[@]}"; do
        # shellcheck disable=SC2086 # words
        run --separate-stderr "$RUNUK" --debug --root "$ROOT" --settings "$SETTINGS" --log=log $call <<<"the input of $call"
        equal "$status $stderr" '42 '
        # shellcheck disable=SC2086 # words
        equal "$output" "$(jq -cn '$ARGS.positional' --args -- --debug --root "$ROOT" --log=log $call)
the input of $call"
    done
    forget there
}

@test "arguments of any content get through: blanks, quotes, nothing, newlines" {
    recording
    local -a words=(exec web sh -c $'echo "a  b" \'c\'\n\t*' '' '\x' 'ü')
    run -42 runuk "${words[@]}"
    equal "$(jq -c '.[2:]' <<<"$output")" "$(jq -cn '$ARGS.positional' --args -- "${words[@]}")"
}

@test "--settings is all that runc does not get, in any spelling and place" {
    recording
    local s=$SETTINGS
    run -42 "$RUNUK" --settings "$s" --root "$ROOT" exec x y --settings z
    equal "$output" "[\"--root\",\"$ROOT\",\"exec\",\"x\",\"y\",\"--settings\",\"z\"]"
    run -42 "$RUNUK" --root="$ROOT" -settings="$s" --systemd-cgroup pause x
    equal "$output" "[\"--root=$ROOT\",\"--systemd-cgroup\",\"pause\",\"x\"]"
    run -42 "$RUNUK" --settings=/nonexistent --root "$ROOT" -settings "$s" pause x
    equal "$output" "[\"--root\",\"$ROOT\",\"pause\",\"x\"]"
}

@test "runc gets the environment and its own name as the caller wrote it" {
    recording
    printf '#!/bin/bash\ntr "\\0" " " </proc/$$/cmdline; echo; echo "$MARK"\n' >recorder/runc
    MARK=here run -0 bash -c 'exec -a oddly-called "$@"' - "$RUNUK" --root "$ROOT" --settings "$SETTINGS" pause x
    said "recorder/runc --root $ROOT pause x "
    equal "${lines[1]}" here
}

@test "runc gets its signals as the caller has them" {
    # The two signals that the C library keeps to itself are as whoever called the tests has them: env changes them not.
    local kept
    kept=$((0x$(sed -n 's/^SigIgn:\t//p' /proc/self/status) & 0x180000000))
    recording
    printf '#!/bin/sh\ngrep -E "Sig(Blk|Ign)" /proc/self/status | xargs\n' >recorder/runc
    run -0 env --default-signal "$RUNUK" --root "$ROOT" --settings "$SETTINGS" pause x
    equal "$output" "SigBlk: 0000000000000000 SigIgn: $(printf %016x $((kept)))"
    run -0 env --default-signal --ignore-signal=PIPE,USR1 "$RUNUK" --root "$ROOT" --settings "$SETTINGS" pause x
    equal "$output" "SigBlk: 0000000000000000 SigIgn: $(printf %016x $((kept | 0x1200)))"
}

# --- the real runc --------------------------------------------------------------------------------------------------------

@test "an ordinary container: create, start, state, exec, ps, pause, update, events, kill, delete" {
    linux_bundle box sh -c 'trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done'
    create box --pid-file pid
    is box created
    runuk start box
    prints box ready
    is box running
    field_is box .pid "$(cat pid)"
    equal "$(runuk exec box /bin/busybox echo from inside)" 'from inside'
    run -5 runuk exec box sh -c 'exit 5'
    equal "$(runuk ps --format json box | jq '.[0]')" "$(cat pid)"
    runuk pause box
    is box paused
    runuk resume box
    runuk update --pids-limit 33 box
    equal "$(runuk events --stats box | jq .data.pids.limit)" 33
    runuk kill box TERM
    becomes box stopped
    runuk delete box
    run -0 runuk delete --force box
    equal "$output" ''
    no_traces
}

@test "run of an ordinary container: output, status, input" {
    linux_bundle box sh -c 'cat; exit 6'
    run -6 runuk run --bundle box box <<<'through and through'
    equal "$output" 'through and through'
    no_traces
}

@test "a limit of 18446744073709551615, which engines write for none, holds nobody up" {
    linux_bundle box sh -c 'ulimit -f'
    config box '.process.rlimits = [{type: "RLIMIT_FSIZE", soft: "none", hard: "none"}]'
    sed -i 's/"none"/18446744073709551615/' box/config.json
    run -0 runuk run --bundle box box
    equal "$output" unlimited
}

# --- which runc -----------------------------------------------------------------------------------------------------------

@test "runuk under the name of runc is never taken for it: link, hard link, copy" {
    recorder
    mkdir link hard copy
    ln -s "$RUNUK" link/runc
    ln "$RUNUK" hard/runc 2>/dev/null || ln -s "$RUNUK" hard/runc
    cp "$RUNUK" copy/runc
    local path
    for path in "$PWD/link:$PWD/hard:relative:" "$PWD/copy"; do
        PATH=$path:$PWD/recorder:$PATH run -42 runuk pause x
        equal "$output" "[\"--root\",\"$ROOT\",\"pause\",\"x\"]"
    done
    settings '.runc = $path' --arg path "$PWD/link/runc"
    run -1 runuk pause x
    equal "$output" "runuk: the runc of the settings, '$PWD/link/runc', is missing, not executable, or runuk itself"
}

@test "runuk called as runc still finds the real one" {
    recorder
    mkdir link
    ln -s "$RUNUK" link/runc
    PATH=$PWD/link:$PWD/recorder:$PATH run -42 runc --root "$ROOT" --settings "$SETTINGS" pause x
    equal "$output" "[\"--root\",\"$ROOT\",\"pause\",\"x\"]"
}

@test "a wrapper that leads back to runuk is found out, however it does it" {
    local how
    for how in 'exec "$RUNUK"' '"$RUNUK"' 'sh -c "\"\$@\"; exit \$?" - "$RUNUK"' 'setsid "$RUNUK"'; do
        printf '#!/bin/sh\necho called >>%s/calls\n%s --settings %s "$@"\n' "$PWD" "${how//\"\$RUNUK\"/$RUNUK}" "$SETTINGS" >wrapper
        chmod +x wrapper
        settings '.runc = $path' --arg path "$PWD/wrapper"
        : >calls
        run -1 timeout -k 5 20 "$RUNUK" --settings "$SETTINGS" --root "$ROOT" pause x
        equal "$output" "runuk: '$PWD/wrapper' leads back to runuk: set \"runc\" in the settings to the real one"
        (($(wc -l <calls) < 10))
        # A list is made of both runtimes' containers.
        someone_elses x
        run -0 timeout -k 5 20 "$RUNUK" --settings "$SETTINGS" --root "$ROOT" list -q
        (($(wc -l <calls) < 20))
        forget x
    done
}

@test "no runc at all: the error says so; unikernels need none" {
    local hide='' dir
    for dir in ${PATH//:/ } /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
        [[ ! -e $dir/runc ]] || hide+="mount --bind /dev/null $(realpath "$dir/runc"); "
    done
    linux_bundle box true
    run -1 unshare -m sh -c "$hide exec \"\$@\"" - "$RUNUK" --root "$ROOT" --settings "$SETTINGS" create --bundle box box
    equal "$output" \
        'runuk: this is no unikernel, and no runc was found for it: install runc, or set "runc" in the settings'
    bundle web exit 5
    run -5 unshare -m sh -c "$hide exec \"\$@\"" - "$RUNUK" --root "$ROOT" --settings "$SETTINGS" run --bundle web web
    equal "$output" 'exit: 5'
}

@test "the runc of the settings must be there and executable" {
    local path
    touch plain
    for path in /nonexistent/runc "$PWD/plain" "$PWD"; do
        settings '.runc = $path' --arg path "$path"
        run -1 runuk pause x
        equal "$output" "runuk: the runc of the settings, '$path', is missing, not executable, or runuk itself"
    done
}

# --- two runtimes under one root ------------------------------------------------------------------------------------------

@test "an id is one container's, whichever runtime it belongs to" {
    bundle web time wait
    linux_bundle box busybox sleep 600
    create web
    cp -r box box2
    run -1 runuk create --bundle box2 web
    said 'already exists'
    is web created

    create box
    cp -r web web2
    run -1 runuk create --bundle web2 box
    said "container with given ID already exists: 'box'"
    is box created
    runuk delete --force web
    runuk delete --force box
    no_traces
}

@test "both runtimes' containers side by side: list shows both, runc's own list and verbs see theirs alone" {
    local runc
    runc=$(type -P runc)
    bundle web time wait
    linux_bundle box busybox sleep 600
    launch web
    launch box
    run -0 --separate-stderr runuk list -q
    equal "$output" $'box\nweb'
    run -0 --separate-stderr runuk list --format json
    equal "$(jq -c 'map([.id, .status, .owner])' <<<"$output")" '[["box","running","root"],["web","running","root"]]'
    run -0 --separate-stderr runuk list
    equal "${#lines[@]}" 3
    run -0 --separate-stderr "$runc" --root "$ROOT" list -q
    equal "$output" box
    run ! "$runc" --root "$ROOT" state web
    run ! "$runc" --root "$ROOT" kill web KILL
    is web running
    runuk delete --force box
    is web running
}

@test "an option's value that is a unikernel's id misleads nobody" {
    recording
    bundle web time wait
    create web
    local call
    local -a calls=(
        'exec --pid-file web linux ping web'
        'exec --user web --cwd=web linux web'
        'exec -u web -- linux web'
        'exec -- linux web'
        'update --resources web linux'
        'events --interval web linux'
        'checkpoint --image-path web --leave-running linux'
        'ps --format web linux web'
    )
    for call in "${calls[@]}"; do
        # shellcheck disable=SC2086 # words
        run -42 runuk $call
    done
}

@test "what a unikernel has no use for is refused, by name, and never reaches runc" {
    recording
    bundle web time wait
    run -1 runuk create --bundle web --pidfd-socket /x/sock web
    equal "$output" 'runuk: --pidfd-socket is not supported for unikernels'
    launch web
    local call
    for call in 'exec web sh' 'exec -t -- web sh' 'exec --tty web sh -c ls' 'exec -d --cwd / web sh'; do
        # shellcheck disable=SC2086 # words
        run -1 --separate-stderr runuk --log log.json --log-format json $call
        [[ $stderr == "runuk: container 'web' is a unikernel: it has no processes to exec"* ]]
    done
    equal "$(jq -r .level log.json | uniq -c | xargs)" '4 error'
    for call in 'checkpoint --image-path /i web' 'restore --detach web' 'frobnicate web'; do
        # shellcheck disable=SC2086 # words
        run -1 --separate-stderr runuk $call </dev/null
        equal "$stderr" "runuk: container 'web' is a unikernel: '${call%% *}' is not supported for it"
    done
    is web running
}
