#!/usr/bin/env bats
# The OCI runtime specification's MUSTs for unikernel bundles, one test each, in the order of its pages: runtime.md, bundle.md.
# docs/conformance.md says which have no test, and why.

# shellcheck disable=SC2154 # run sets stderr, background sets job, wait_job sets status

load conformance

setup() {
    conformance_setup
}

teardown() {
    oci_teardown
}

# --- runtime.md -----------------------------------------------------------------------------------------------------------

@test "runtime.md, Scope of a Container: who created a container can use every operation on it" {
    create web
    runuk state web >state.json
    runuk start web
    runuk kill web TERM
    becomes web stopped
    runuk delete web
    fails 'does not exist' state web
}

@test "runtime.md, State: the JSON is what the schema says" {
    config web '.annotations = {"com.example.a": "b"}'
    create web
    runuk state web >state.json
    jq -e '(.ociVersion | test("^[0-9]+\\.[0-9]+\\.[0-9]+")) and (.id | type == "string") and (.bundle | type == "string")
        and (.status | IN("creating", "created", "running", "stopped")) and (.pid | type == "number" and . >= 0)
        and (.annotations | type == "object" and all(.[]; type == "string"))' state.json
}

@test "runtime.md, State: an id is unique" {
    create web
    cp -r web other
    fails "container with given ID already exists: 'web'" create --bundle other web
    equal "$(runuk list -q)" web
}

@test "runtime.md, State: status is creating while create runs" {
    hook createRuntime "$(calling) state web >$PWD/state.json"
    create web
    equal "$(jq -r .status state.json)" creating
}

@test "runtime.md, State: status is created once create has returned, and the program has not run" {
    create web
    is web created
    equal "$(cat web.out)" ''
}

@test "runtime.md, State: status is running while the program runs" {
    launch web
    prints web waiting
    is web running
}

@test "runtime.md, State: status is stopped once the process has ended" {
    bundle web exit 0
    launch web
    becomes web stopped
}

@test "runtime.md, State: a further value stands for a further state: paused" {
    launch web
    is web running
    runuk pause web
    is web paused
    runuk resume web
    is web running
}

@test "runtime.md, State: pid is the container process'" {
    create web --pid-file pid
    field_is web .pid "$(cat pid)"
    runuk start web
    field_is web .pid "$(cat pid)"
    file_has "/proc/$(cat pid)/cgroup" "/$TAG-web"
}

@test "runtime.md, State: for hooks in the runtime's namespaces pid is as the runtime sees it" {
    local kind
    for kind in prestart createRuntime poststart; do hook "$kind" "jq .pid >$PWD/$kind"; done
    launch web --pid-file pid
    for kind in prestart createRuntime poststart; do equal "$kind $(cat "$kind")" "$kind $(cat pid)"; done
}

@test "runtime.md, State: for hooks in the container's namespaces pid is as the container sees it" {
    hook createContainer "jq .pid >$PWD/createContainer"
    hook startContainer '/bin/busybox cat >/startContainer'
    launch web
    equal "$(cat createContainer)" 1
    equal "$(jq .pid web/rootfs/startContainer)" 1
}

@test "runtime.md, State: bundle is an absolute path" {
    cd web
    runuk create --bundle . web >../web.out 2>&1 </dev/null
    cd ..
    field_is web .bundle "$PWD/web"
}

@test "runtime.md, State: annotations are the container's; without any there are none" {
    config web '.annotations = {"com.example.a": "b", "com.example.empty": ""}'
    create web
    equal "$(field web '.annotations | tojson')" '{"com.example.a":"b","com.example.empty":""}'
    runuk delete web
    config web 'del(.annotations)'
    create web
    equal "$(field web '.annotations // {} | tojson')" '{}'
}

@test "runtime.md, Lifecycle 2: create makes the environment that config.json asks for" {
    local ns
    config web '.linux.resources.pids.limit = 77'
    create web --pid-file pid
    for ns in $(namespaces self); do
        run ! grep -qF "$ns" <(namespaces "$(cat pid)")
    done
    equal "$(nsenter -t "$(cat pid)" -u uname -n)" guest
    runuk events --stats web >stats.json
    equal "$(jq .data.pids.limit stats.json)" 77
}

@test "runtime.md, Lifecycle 2: what cannot be made is an error" {
    config web '.linux.namespaces = [{type: "network", path: "/nonexistent"}]'
    refused "open namespace '/nonexistent'"
}

@test "runtime.md, Lifecycle 2: create does not run the program" {
    bundle web exit 7
    create web --pid-file pid
    is web created
    [[ $(readlink "/proc/$(cat pid)/exe") != *runuk-spt ]]
    equal "$(cat web.out)" ''
}

@test "runtime.md, Lifecycle 2: later changes of config.json do not affect the container" {
    bundle web hello first
    hook poststop "echo first >>$PWD/poststop"
    create web
    config web '.process.args = ["/guest", "second"] | .hooks.poststop[0].args[2] |= sub("first"; "second")
        | .hooks.startContainer = [{path: "/nonexistent"}] | .annotations.a = "b"'
    runuk start web
    prints web first
    becomes web stopped
    field_is web .annotations null
    runuk delete web
    equal "$(cat poststop)" first
    run ! grep -q second web.out
}

# invoked KIND VERB: hooks of that kind are invoked by that verb, and by none before.
invoked() {
    local kind=$1 verb=$2 file=$PWD/ran-$1
    if [[ $kind == startContainer ]]; then
        hook "$kind" 'echo ran >>/ran'
        file=$PWD/web/rootfs/ran
    else
        hook "$kind" "echo ran >>$file"
    fi
    create web
    [[ $verb == create || ! -e $file ]]
    [[ $verb != create ]] || equal "$(cat "$file")" ran
    runuk start web
    [[ $verb == delete ]] || equal "$(cat "$file")" ran
    stop
    [[ $verb != delete || ! -e $file ]]
    runuk delete web
    equal "$(cat "$file")" ran
}

# destroys KIND: a failing hook of that kind is create's error; the container is stopped and destroyed, poststop invoked.
destroys() {
    hook "$1" "jq .pid >$PWD/pid; exit 9"
    hook poststop "jq -r .status >$PWD/poststop"
    refused "create container 'web': $1 hook '/bin/sh': exit status 9"
    equal "$(cat poststop)" stopped
    [[ $1 == createContainer ]] || run ! lives "$(cat pid)"
}

@test "runtime.md, Lifecycle 3: prestart hooks are invoked" {
    invoked prestart create
}

@test "runtime.md, Lifecycle 3: a failing prestart hook is an error, stops and destroys, and poststop is invoked" {
    destroys prestart
}

@test "runtime.md, Lifecycle 4: createRuntime hooks are invoked" {
    invoked createRuntime create
}

@test "runtime.md, Lifecycle 4: a failing createRuntime hook is an error, stops and destroys, and poststop is invoked" {
    destroys createRuntime
}

@test "runtime.md, Lifecycle 5: createContainer hooks are invoked" {
    invoked createContainer create
}

@test "runtime.md, Lifecycle 5: a failing createContainer hook is an error, stops and destroys, and poststop is invoked" {
    destroys createContainer
}

@test "runtime.md, Lifecycle 7: startContainer hooks are invoked" {
    invoked startContainer start
}

@test "runtime.md, Lifecycle 7: a failing startContainer hook is an error and stops; delete destroys and invokes poststop" {
    hook startContainer 'exit 9'
    hook poststop "touch $PWD/poststop"
    create web --pid-file pid
    fails "start container 'web': startContainer hook '/bin/busybox': exit status 9" start web
    becomes web stopped
    equal "$(cat web.out)" ''
    runuk delete web
    [[ -e poststop ]]
    no_traces
}

@test "runtime.md, Lifecycle 8: the program runs, as process says" {
    bundle web hello a 'b c'
    launch web
    prints web 'b c'
}

@test "runtime.md, Lifecycle 9: poststart hooks are invoked" {
    invoked poststart start
}

@test "runtime.md, Lifecycle 9: a failing poststart hook is a warning, and all goes on" {
    hook poststart 'exit 9'
    hook poststart "touch $PWD/next"
    create web
    run -0 runuk --log log.json --log-format json start web
    equal "$(jq -r '"\(.level): \(.msg)"' log.json)" "warning: poststart hook '/bin/sh': exit status 9"
    [[ -e next ]]
    is web running
}

@test "runtime.md, Lifecycle 12: delete undoes what create did" {
    launch web
    stop
    [[ -n $(traces) ]]
    runuk delete web
    no_traces
}

@test "runtime.md, Lifecycle 13: poststop hooks are invoked" {
    invoked poststop delete
}

@test "runtime.md, Lifecycle 13: a failing poststop hook is a warning, and all goes on" {
    hook poststop 'exit 9'
    hook poststop "touch $PWD/next"
    launch web
    stop
    run -0 runuk --log log.json --log-format json delete web
    equal "$(jq -r '"\(.level): \(.msg)"' log.json)" "warning: poststop hook '/bin/sh': exit status 9"
    [[ -e next ]]
    no_traces
}

@test "runtime.md, Errors: an operation that fails leaves all as it was" {
    local before
    create web
    before=$(runuk state web; traces; cat /proc/self/mountinfo; find web)
    fails 'already exists' create --bundle web web
    fails 'invalid container ID format' create --bundle web /web
    fails 'does not exist' start other
    fails 'does not exist' kill other KILL
    fails 'does not exist' delete other
    fails 'unknown signal' kill web NONSENSE
    equal "$(runuk state web; traces; cat /proc/self/mountinfo; find web)" "$before"
}

@test "runtime.md, Warnings: what is only warned of changes nothing" {
    hook poststop 'exit 9'
    launch web
    stop
    run -0 runuk --log log.json --log-format json delete web
    equal "$output" ''
    no_traces
}

@test "runtime.md, Query State: without an id it is an error" {
    fails 'requires exactly 1 argument' state
}

@test "runtime.md, Query State: of a container that does not exist it is an error" {
    fails "container 'web' does not exist" state web
}

@test "runtime.md, Query State: it returns the state" {
    create web
    run -0 --separate-stderr runuk state web
    equal "$stderr" ''
    equal "$(jq -c '[.id, .status]' <<<"$output")" '["web","created"]'
}

@test "runtime.md, Create: without a bundle or an id it is an error" {
    fails 'requires exactly 1 argument' create --bundle web
    fails "read '$PWD/config.json': No such file or directory" create web
    no_traces
}

@test "runtime.md, Create: an id that exists or is none is an error, and no container is created" {
    local id
    create web
    for id in web '' . .. a/b 'a b' $'a\nb' 'ü'; do
        run -1 runuk create --bundle web "$id"
        equal "$(runuk list -q)" web
    done
}

@test "runtime.md, Create: it creates a new container" {
    equal "$(runuk list -q)" ''
    create web
    equal "$(runuk list -q)" web
}

@test "runtime.md, Create: every property but process is applied" {
    hook createRuntime "touch $PWD/hook"
    config web '.hostname = "other" | .annotations.a = "b" | .linux.resources.pids.limit = 77'
    create web --pid-file pid
    equal "$(nsenter -t "$(cat pid)" -u uname -n)" other
    field_is web .annotations.a b
    file_has "/proc/$(cat pid)/cgroup" "$TAG-web"
    runuk events --stats web >stats.json
    equal "$(jq .data.pids.limit stats.json)" 77
    [[ -e hook ]]
}

@test "runtime.md, Create: process.args are not applied before start" {
    bundle web hello 'the argument'
    create web --pid-file pid
    run ! grep -q 'the argument' "/proc/$(cat pid)/cmdline" web.out
    runuk start web
    prints web 'the argument'
}

@test "runtime.md, Create: a property that cannot be applied is an error, and no container is created" {
    config web '.linux.resources.cpu.cpus = "4000"'
    refused "create container 'web': "
}

@test "runtime.md, Start: without an id it is an error" {
    fails 'requires exactly 1 argument' start
}

@test "runtime.md, Start: of a container that is not created it is an error without effect" {
    fails 'does not exist' start web
    launch web --pid-file pid
    fails 'cannot start an already running container' start web
    is web running
    field_is web .pid "$(cat pid)"
    runuk pause web
    fails 'cannot start an already running container' start web
    is web paused
    runuk resume web
    stop
    fails 'cannot start a container that has stopped' start web
    is web stopped
}

@test "runtime.md, Start: it runs the program that process says" {
    bundle web exit 3
    run -3 runuk run --bundle web web
    equal "$output" 'exit: 3'
}

@test "runtime.md, Start: without process it is an error, as early as at create" {
    refuses 'del(.process)' "'$PWD/web/config.json': process: missing"
}

@test "runtime.md, Kill: without an id it is an error" {
    fails 'requires a minimum of 1 argument' kill
}

@test "runtime.md, Kill: of a container that neither is created nor runs it is an error without effect" {
    fails 'does not exist' kill web KILL
    launch web
    stop
    runuk state web >before
    fails 'container not running' kill web KILL
    runuk state web | diff before -
}

@test "runtime.md, Kill: the process gets the signal" {
    local signal
    for signal in INT HUP KILL; do
        : >web.out
        background "$RUNUK" --root "$ROOT" --settings "$SETTINGS" run --bundle web web >web.out 2>&1 </dev/null
        prints web waiting
        runuk kill web "$signal"
        wait_job "$job"
        equal "$signal $status" "$signal $((128 + $(kill -l "$signal")))"
    done
}

@test "runtime.md, Kill: the process of a created container gets it, too" {
    create web
    runuk kill web KILL
    becomes web stopped
}

@test "runtime.md, Delete: without an id it is an error" {
    fails 'requires exactly 1 argument' delete
}

@test "runtime.md, Delete: of a container that runs it is an error without effect" {
    fails 'does not exist' delete web
    launch web --pid-file pid
    fails 'cannot delete container web that is not stopped: running' delete web
    is web running
    field_is web .pid "$(cat pid)"
    runuk pause web
    fails 'cannot delete container web that is not stopped: paused' delete web
    is web paused
}

@test "runtime.md, Delete: what create made is deleted" {
    launch web --pid-file pid
    stop
    runuk delete web
    no_traces
    [[ ! -e $ROOT/web ]]
    run ! lives "$(cat pid)"
}

@test "runtime.md, Delete: what create did not make is kept" {
    local ns
    bundle pod time wait
    launch pod --pid-file pid
    config web '.linux.namespaces = [{type: "network", path: "/proc/\($pid)/ns/net"}]' --arg pid "$(cat pid)"
    ns=$(nsenter -t "$(cat pid)" -n ip -o link)
    launch web
    find web -type f -exec sha256sum {} + >before
    stop
    runuk delete web
    sha256sum --quiet -c before
    is pod running
    equal "$(nsenter -t "$(cat pid)" -n ip -o link)" "$ns"
}

@test "runtime.md, Delete: the id may be used again, and is a new container's" {
    launch web --pid-file first
    stop
    runuk delete web
    create web --pid-file second
    is web created
    field_is web .pid "$(cat second)"
}

# --- bundle.md ------------------------------------------------------------------------------------------------------------

@test "bundle.md, Filesystem Bundle: config.json is in the bundle's root, under that name" {
    mkdir web/deeper
    mv web/config.json web/deeper
    refused "read '$PWD/web/config.json': No such file or directory"
    mv web/deeper/config.json web/Config.json
    refused "read '$PWD/web/config.json': No such file or directory"
}
