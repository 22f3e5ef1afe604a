#!/usr/bin/env bats
# The command line as runc's users and engines write it: options, help, version, log, settings, and what is refused.

# shellcheck disable=SC2154 # run sets stderr, background sets job

load oci

setup() {
    oci_setup
}

teardown() {
    oci_teardown
}

# --- version and help -----------------------------------------------------------------------------------------------------

@test "--version prints the three lines that engines read" {
    local flag
    for flag in --version -version -v --v; do
        run -0 --separate-stderr "$RUNUK" "$flag"
        [[ ${lines[0]} =~ ^'runuk version '[0-9]+\.[0-9]+\.[0-9]+$ ]]
        [[ ${lines[1]} =~ ^'commit: '[0-9a-z]+$ ]]
        equal "${lines[2]}" 'spec: 1.0.2'
        equal "${#lines[@]} $stderr" '3 '
    done
}

@test "--version behind other options and before a verb is all that happens" {
    run -0 "$RUNUK" --debug --root "$ROOT" --version create nothing
    said 'runuk version '
    [[ ! -e $ROOT ]]
}

@test "--help, -h and no argument at all explain the verbs and the options" {
    local flags
    for flags in --help -h ''; do
        # shellcheck disable=SC2086 # none, when it is empty
        run -0 --separate-stderr "$RUNUK" $flags
        local verb
        for verb in create start run state kill delete list; do
            [[ $output == *$'\n   '"$verb "* ]]
        done
        said '--root VALUE'
        said '--log-format VALUE'
        said '--systemd-cgroup'
        equal "$stderr" ''
    done
}

@test "every verb explains its own options and does nothing" {
    local verb
    for verb in create run; do
        run -0 runuk "$verb" --help
        said "Usage: runuk [global options] $verb [options] ID"
        said '--bundle VALUE'
        said '-b'
        said '--console-socket VALUE'
    done
    run -0 runuk kill -h
    said 'kill [options] ID [SIGNAL]'
    run -0 runuk delete web --help
    said '--force'
    run -0 runuk list --help
    said '--format VALUE'
    for verb in --help -h; do
        run -0 runuk ps "$verb"
        said 'ps [options] ID [options of ps(1)]'
    done
    run -0 runuk state --help
    run -0 runuk start --help
}

# --- options --------------------------------------------------------------------------------------------------------------

@test "global options: any order, both spellings, one dash or two" {
    bundle web time wait
    create web
    local -a calls=(
        "--root $ROOT --settings $SETTINGS --debug --log log --log-format json --systemd-cgroup=false"
        "--log-format=json --log=log --settings=$SETTINGS --criu /usr/sbin/criu --rootless auto --root=$ROOT"
        "-settings $SETTINGS -criu=none -root $ROOT -rootless=false -debug=true -log log -log-format text"
        "-root=$ROOT --rootless=true --debug=false -settings=$SETTINGS --criu= --log-format=text"
    )
    local call
    for call in "${calls[@]}"; do
        # shellcheck disable=SC2086 # a list of options
        run -0 --separate-stderr "$RUNUK" $call state web
        equal "$(jq -r .id <<<"$output")" web
    done
}

@test "the last of two equal options holds" {
    run -0 "$RUNUK" --root /nonexistent --root "$ROOT" --settings "$SETTINGS" list -q
    equal "$output" ''
}

@test "options of a verb may stand before and behind the id, and end at --" {
    bundle web time wait
    runuk create web --bundle=web --pid-file pid >/dev/null 2>&1 </dev/null
    [[ -s pid ]]
    run -0 runuk delete web -f
    run -1 runuk state -- --force
    said "container '--force' does not exist"
}

@test "an unknown option, a missing value and a bad value are errors in runc's words" {
    local -a calls=(
        '--frobnicate list|flag provided but not defined: --frobnicate'
        '-x list|flag provided but not defined: -x'
        '--log|flag needs an argument: --log'
        '--root|flag needs an argument: --root'
        '--debug=maybe list|invalid boolean value "maybe" for --debug'
        '--log-format yaml list|invalid log-format: yaml'
        'create --bundel x web|create: flag provided but not defined: --bundel'
        'create web --pid-file|create: flag needs an argument: --pid-file'
        'create --preserve-fds many web|create: invalid value "many" for --preserve-fds: expected a number'
        'create --preserve-fds -1 web|create: invalid value "-1" for --preserve-fds: expected a number'
        'start --force web|start: flag provided but not defined: --force'
        'kill web -9|kill: flag provided but not defined: -9'
        'list --format=xml|invalid format option: xml'
    )
    local call
    for call in "${calls[@]}"; do
        # shellcheck disable=SC2086 # words
        run --separate-stderr runuk ${call%%|*}
        equal "$status $output" '1 '
        equal "$stderr" "runuk: ${call#*|}"
    done
}

@test "a wrong number of arguments is an error in runc's words" {
    local -a calls=(
        'create|"create" requires exactly 1 argument'
        'create a b|"create" requires exactly 1 argument'
        'run|"run" requires exactly 1 argument'
        'start|"start" requires exactly 1 argument'
        'state a b|"state" requires exactly 1 argument'
        'delete|"delete" requires exactly 1 argument'
        'delete --force|"delete" requires exactly 1 argument'
        'kill|"kill" requires a minimum of 1 argument'
        'kill a TERM b|"kill" requires a maximum of 2 arguments'
    )
    local call
    for call in "${calls[@]}"; do
        # shellcheck disable=SC2086 # words
        run --separate-stderr runuk ${call%%|*}
        equal "$status $output" '1 '
        equal "$stderr" "runuk: runuk: ${call#*|}"
    done
}

# --- log ------------------------------------------------------------------------------------------------------------------

# The file $1 has as many lines as $2 says, all of them JSON objects with exactly the keys that shims know.
is_json_log() {
    equal "$(wc -l <"$1")" "$2"
    equal "$(jq -c 'keys' "$1" | sort -u)" '["level","msg","time"]'
    jq -e '.time | fromdateiso8601 > 1577836800' "$1" >/dev/null
}

@test "a JSON log: one line per error, exact keys, appended; the text also on stderr" {
    run -1 --separate-stderr runuk --log log.json --log-format json state nothing
    equal "$output" ''
    equal "$stderr" "runuk: container 'nothing' does not exist"
    run -1 runuk --log-format=json --log=log.json delete nothing
    run -1 runuk --log log.json --log-format json start nothing
    is_json_log log.json 3
    equal "$(jq -r .level log.json | sort -u)" error
    equal "$(jq -r .msg log.json | sort -u)" "container 'nothing' does not exist"
}

@test "a JSON log stays JSON whatever the text has in it" {
    local id
    bundle web hello
    for id in 'quo"te' $'new\nline' $'\xff\xfe' 'back\slash' $'tab\t\e[31m' 'umläut' "$(printf 'x%.0s' {1..3000})" ''; do
        run -1 runuk --log log.json --log-format json create --bundle web "$id"
        said 'invalid container ID format'
    done
    is_json_log log.json 8
    equal "$(jq -rs '.[0].msg' log.json)" "invalid container ID format: 'quo\"te'"
    equal "$(jq -rs '.[1].msg' log.json)" $'invalid container ID format: \'new\nline\''
    equal "$(jq -rs '.[2].msg' log.json)" "invalid container ID format: '??'"
    equal "$(jq -rs '.[5].msg' log.json)" "invalid container ID format: 'umläut'"
}

@test "a text log: level, message and time" {
    run -1 runuk --log log state nothing
    run -1 runuk --log log --log-format text state 'also"nothing'
    equal "$(wc -l <log)" 2
    [[ $(head -n 1 log) =~ ^'level=error msg="container '\''nothing'\'' does not exist" time="'[0-9T:-]+'Z"'$ ]]
}

@test "success writes nothing, to the log as little as to the terminal" {
    bundle web time wait
    runuk --log log.json --log-format json create --bundle web --pid-file pid web >web.out 2>&1 </dev/null
    equal "$(cat web.out)" ''
    run -0 runuk --log log.json --log-format json start web
    equal "$output" ''
    prints web waiting
    run -0 runuk --log log.json --log-format json kill web 15
    equal "$output" ''
    becomes web stopped
    run -0 runuk --log log.json --log-format json kill --all web 9
    equal "$output" ''
    run -0 runuk --log log.json --log-format json delete web
    equal "$output" ''
    equal "$(cat log.json)" ''
}

@test "--debug adds lines to the log, never to stdout" {
    bundle web exit 0
    settings '.runc = $bin' --arg bin "$(type -P true)"
    run -0 --separate-stderr runuk --debug --log log.json --log-format json exec web sh
    equal "$output$stderr" ''
    is_json_log log.json 1
    equal "$(jq -r .level log.json)" debug
}

@test "a log that cannot be opened is an error" {
    run -1 runuk --log /nonexistent/log list
    equal "$output" "runuk: open log file '/nonexistent/log': No such file or directory"
}

# --- settings -------------------------------------------------------------------------------------------------------------

@test "settings that cannot be read: the error names the file, the line and the key" {
    local -a cases=(
        '|line 1: '
        '{|line 1: '
        "{\"uid\": 1000,|line 1: "
        '[]|line 1: expected an object'
        '{"runc": "/usr/bin/runc"} x|line 1: '
        '{"frobnicate": 1}|line 1: frobnicate: unknown key (runuk.json(5) names them all)'
        '{"runc": 7}|line 1: runc: expected a string'
        '{"runc": "runc"}|line 1: runc: expected an absolute path'
        '{"monitor_dir": "lib"}|line 1: monitor_dir: expected an absolute path'
        '{"memory_mib": "512"}|line 1: memory_mib: expected an integer'
        '{"memory_mib": 0}|line 1: memory_mib: expected 1 to 1048576'
        '{"memory_mib": 1048577}|line 1: memory_mib: expected 1 to 1048576'
        '{"memory_headroom_kib": -2}|line 1: memory_headroom_kib: expected -1 or more'
        '{"uid": 0}|line 1: uid: expected an unprivileged user'
        '{"gid": 4294967295}|line 1: gid: expected an unprivileged group'
        '{"uid": 1, "uid": 2}|line 1: duplicate object key'
    )
    local case
    for case in "${cases[@]}"; do
        printf '%s' "${case%%|*}" >"$SETTINGS"
        run -1 runuk list
        said "runuk: settings file '$SETTINGS': ${case#*|}"
    done
    printf '{\n"uid": 1000,\n"gid": }\n' >"$SETTINGS"
    run -1 runuk list
    said 'line 3: '
}

@test "a settings file that was asked for must be there" {
    run -1 "$RUNUK" --root "$ROOT" --settings /nonexistent.json list
    equal "$output" "runuk: settings file '/nonexistent.json': read: No such file or directory"
    run -1 "$RUNUK" --root "$ROOT" --settings "$BATS_TEST_TMPDIR" list
    said "settings file '$BATS_TEST_TMPDIR'"
}

@test "a network mode that does not exist is refused at create, in settings and annotation" {
    bundle web hello
    settings '.network_mode = "carrier-pigeon"'
    run -1 create web
    said "line $(grep -n network_mode "$SETTINGS" | cut -d: -f1): network_mode: expected \"redirect\" or \"bridge\""
    settings 'del(.network_mode)'
    config web '.annotations = {"org.runuk.network-mode": "smoke"}'
    run -1 create web
    said "network mode 'smoke' is not one that runuk knows"
}

# --- descriptors ----------------------------------------------------------------------------------------------------------

@test "closed standard descriptors are no one else's" {
    bundle web exit 7
    run bash -c "exec <&- >&- 2>&-; exec timeout 30 '$RUNUK' --root '$ROOT' --settings '$SETTINGS' run --bundle web web"
    ended 7
}
