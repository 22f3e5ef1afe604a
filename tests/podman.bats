#!/usr/bin/env bats
# `podman --runtime=runuk` of unikernels, alone and in pods, and of ordinary images. Guests in QEMU are emulated, so that they are the
# same everywhere.

load podman.bash

setup_file() {
    podman_up
    local guest
    for guest in hello exit web hog time; do guest_image "$guest" "$guest"; done
    for guest in block.multiboot dns.pvh finish.multiboot finish.pvh hello.pvh time.pvh web.pvh; do
        bare_image "$guest" "$BUILD/guests/$guest"
    done
    urunc_image button "$BUILD/guests/finish.pvh" osv button
    if "$BUILD/runuk-hvt" --probe; then export TARGET=hvt; else export TARGET=spt; fi
}

teardown_file() {
    podman_down
}

teardown() {
    podman_clear
}

@test "run: the guest's output, its arguments whole, and its exit status" {
    run -0 unikernel --rm hello one 'two words' '{ipv4}'
    [[ ${lines[0]} == "Hello from $TARGET" ]]
    [[ $output == *$'\narg[0]: one\narg[1]: two words\narg[2]: 10.215.0.'* ]]
    run -42 unikernel --rm exit 42
}

@test "the page comes through the published port and through the container's address" {
    unikernel -d --name web -p 8080:80 web
    field_is web '{{.OCIRuntime}} {{.State.Status}}' 'runuk running'
    run -0 fetch http://127.0.0.1:8080/plain
    [[ $output == *"target: $TARGET"*"ipv4: $(address web)/24"* ]]
    # From another, Linux, container, which knows nothing of runuk.
    run -0 podman run --rm busybox timeout 10 wget -q -O - "http://$(address web)/"
    [[ $output == *'<title>A unikernel</title>'* ]]
}

@test "logs, wait, and the exit code in inspect" {
    unikernel -d --name greet hello logged
    run -0 podman wait greet
    [[ $output == 0 ]]
    run -0 podman logs greet
    [[ $output == *"Hello from $TARGET"*'arg[0]: logged'* ]]
    unikernel -d --name bye exit 7
    run -0 podman wait bye
    [[ $output == 7 ]]
    field_is bye '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}' 'exited 7 false'
}

@test "stop takes less than a second" {
    unikernel -d --name web web
    fetch "http://$(address web)/plain"
    local start=${EPOCHREALTIME/./} end
    podman stop -t 10 web
    end=${EPOCHREALTIME/./}
    echo "stopped after $(((end - start) / 1000)) ms"
    ((end - start < 1000000))
    field_is web '{{.State.Status}} {{.State.ExitCode}}' 'exited 143'
}

@test "kill, with and without a signal's name" {
    unikernel -d --name one time wait
    eventually 10 printed one waiting
    podman kill one
    eventually 10 field_is one '{{.State.Status}} {{.State.ExitCode}}' 'exited 137'
    unikernel -d --name two time wait
    eventually 10 printed two waiting
    podman kill -s INT two
    eventually 10 field_is two '{{.State.Status}} {{.State.ExitCode}}' 'exited 130'
}

@test "rm -f of a running one" {
    unikernel -d --name web web
    fetch "http://$(address web)/plain"
    local pid
    pid=$(field web '{{.State.Pid}}')
    podman rm -f -t 5 web
    run ! podman container exists web
    run ! inside test -e "/proc/$pid"
}

@test "restart boots the same container anew" {
    unikernel -d --name web web
    fetch "http://$(address web)/plain"
    local before
    before=$(field web '{{.Id}} {{.State.Pid}}')
    podman restart -t 5 web
    field_is web '{{.Id}} {{.State.Status}}' "${before% *} running"
    [[ $(field web '{{.State.Pid}}') != "${before#* }" ]]
    run -0 fetch "http://$(address web)/plain"
    [[ $output == *'requests: 1'* ]]
}

@test "--restart=on-failure tries as often as told" {
    unikernel -d --name bye --restart=on-failure:2 exit 7
    eventually 30 field_is bye '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' '2 exited 7'
}

@test "create, init and start one after the other" {
    podman --runtime=runuk create --name two hello later
    podman init two
    field_is two '{{.State.Status}}' initialized
    run -0 podman start -a two
    [[ $output == *'arg[0]: later'* ]]
}

@test "pause stops the guest, unpause lets it answer again" {
    unikernel -d --name web web
    fetch "http://$(address web)/plain"
    podman pause web
    field_is web '{{.State.Status}}' paused
    run inside curl -fsS --max-time 1 "http://$(address web)/plain"
    [[ $status != 0 ]]
    podman unpause web
    field_is web '{{.State.Status}}' running
    fetch "http://$(address web)/plain"
}

@test "exec tells about the guest, and refuses what is no question" {
    unikernel -d --name web web
    fetch "http://$(address web)/plain"
    run -0 podman exec web :info
    [[ $output == *"monitor: $TARGET"*"address $(address web)/24"* ]]
    run -0 podman exec web :stats
    [[ $(jq .network.service.tx_frames <<<"$output") -gt 0 ]]
    run -255 podman exec web ls
    [[ $output == *"is a unikernel: it has no processes to exec; what can be asked is"* ]]
    field_is web '{{.State.Status}}' running
}

# Run podman as from a terminal, at which nobody types: at the end of its input podman would no longer care for the output.
terminal() {
    [[ -e $BATS_TEST_TMPDIR/keyboard ]] || mkfifo "$BATS_TEST_TMPDIR/keyboard"
    inside script -qec "$*" /dev/null <>"$BATS_TEST_TMPDIR/keyboard"
}

@test "exec and run on a terminal" {
    unikernel -d --name web web
    run -0 terminal podman exec -it web :alive
    [[ $output == *running* ]]
    run -0 terminal podman --runtime=runuk run --rm -it hello seen
    [[ $output == *"arg[0]: seen"* ]]
}

@test "a health check asks :alive; one that wants a program is unhealthy" {
    unikernel -d --name one --health-cmd ':alive' --health-interval disable time wait
    run -0 podman healthcheck run one
    unikernel -d --name two --health-cmd 'wget -q localhost' --health-retries 1 --health-interval disable time wait
    run -1 podman healthcheck run two
    field_is two '{{.State.Health.Status}}' unhealthy
}

# podman reads /proc in the mount namespace of the container's process, and the monitor's has nothing in it; with an option of
# ps it executes ps.
@test "top is an error, since a monitor has no /proc; exec and inspect name its process instead" {
    unikernel -d --name one time wait
    run podman top one
    [[ $status != 0 && $output == *'open /proc/: no such file or directory'* ]]
    # It executes a program in the container; since version 5 the machine's where there is none.
    run podman top one -ef
    if (($(major) < 5)); then
        [[ $status != 0 && $output == *'it has no processes to exec'* ]]
    else
        [[ $status == 0 && $output == *"runuk-$TARGET "* && ${#lines[@]} == 2 ]]
    fi
    run -0 podman exec one :info
    [[ $output == *"monitor: $TARGET, process "* ]]
    run -0 inside ps -o comm= -p "$(field one '{{.State.Pid}}')"
    [[ $output == "runuk-$TARGET" ]]
}

@test "stats counts the monitor" {
    unikernel -d --name web -m 64m web
    fetch "http://$(address web)/plain"
    run -0 podman stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' web
    [[ $output == *' / 67.11MB 1' ]]
}

@test "a guest gets no more memory than its limit, and can touch all of it" {
    run -0 unikernel --name hog -m 64m --memory-swap 64m hog
    [[ $output == *'done: '* ]]
    field_is hog '{{.State.OOMKilled}} {{.State.ExitCode}}' 'false 0'
    run -0 unikernel --rm -m 64m hello
    local bytes=${output#*mem: }
    ((${bytes%%[!0-9]*} > 48 << 20 && ${bytes%%[!0-9]*} <= 64 << 20))
}

# The limit that the kernel has, in bytes.
memory_limit() {
    inside find /sys/fs/cgroup/ -path "*/libpod-$(field "$1" '{{.Id}}')/memory.*" \
        \( -name memory.limit_in_bytes -o -name memory.max \) -exec cat {} +
}

@test "update changes limits, and says what it cannot change" {
    unikernel -d --name one -m 64m time wait
    podman update -m 96m one
    [[ $(memory_limit one) == $((96 << 20)) ]]
    run podman update -m 32m one
    [[ $status != 0 && $output == *'is less than guest and monitor need'* ]]
}

@test "settings of one's own by --runtime-flag" {
    jq '. + {memory_mib: 100}' "$PODMAN_DIR/runuk.json" >"$PODMAN_DIR/small.json"
    run -0 podman --runtime=runuk --runtime-flag "settings=$PODMAN_DIR/small.json" run --rm hello
    [[ $output == *"mem: $((100 << 20))"* ]]
}

@test "--network none, and the network of another container" {
    run -0 unikernel --rm --network none hello alone
    [[ $output == *'arg[0]: alone'* ]]
    unikernel -d --name web web
    fetch "http://$(address web)/plain"
    run -0 podman run --rm --network container:web busybox ip -o -4 addr show eth0
    [[ $output == *"$(address web)/24"* ]]
}

@test "--network host: what needs no network runs, what does is an error that says what to do" {
    run -0 unikernel --rm --network host hello there
    [[ $output == *'arg[0]: there'* ]]
    run unikernel --rm --network host web
    [[ $status != 0 && $output == *"the container is on the host's own network, but its image has a network device"* ]]
}

@test "--network container:X: a guest takes the link of a Linux container over, and no second one can" {
    podman run -d --name keeper busybox sleep 1000
    unikernel -d --name web --network container:keeper web
    run -0 fetch "http://$(address keeper)/plain"
    [[ $output == *"ipv4: $(address keeper)/24"* ]]
    run unikernel --name second --network container:keeper web
    [[ $status != 0 && $output == *"link 'eth0' already carries another guest"* ]]
    fetch "http://$(address keeper)/plain"
    podman rm -f -t 0 second web
    run -0 podman exec keeper ip -o link
    [[ ${#lines[@]} == 2 ]]
}

@test "--init and --pid=host" {
    run -0 unikernel --rm --init hello one
    [[ $output == *"Hello from $TARGET"*'arg[0]: one'* ]]
    unikernel -d --name one --pid=host time wait
    run -0 podman run --rm --pid=host busybox cat "/proc/$(field one '{{.State.Pid}}')/comm"
    [[ $output == "runuk-$TARGET" ]]
    podman stop -t 5 one
    field_is one '{{.State.ExitCode}}' 143
}

@test "--restart=always: a killed guest comes back, until it is stopped" {
    local before
    unikernel -d --name one --restart=always time wait
    before=$(field one '{{.State.Pid}}')
    inside kill -KILL "$before"
    eventually 10 field_is one '{{.RestartCount}} {{.State.Status}}' '1 running'
    [[ $(field one '{{.State.Pid}}') != "$before" ]]
    podman stop -t 5 one
    field_is one '{{.State.Status}} {{.State.ExitCode}}' 'exited 143'
}

@test "logs -f, rename, diff, export and commit" {
    unikernel -d --name one time wait
    inside podman logs -f one >"$BATS_TEST_TMPDIR/followed" 3>&- &
    local following=$!
    eventually 10 grep -q waiting "$BATS_TEST_TMPDIR/followed"
    podman rename one two
    podman export two | tar -t >"$BATS_TEST_TMPDIR/files"
    grep -qx time.spt "$BATS_TEST_TMPDIR/files"
    run -0 podman diff two
    [[ $output != *time* ]]
    podman stop -t 5 two
    wait "$following"
    podman commit -q two again
    unikernel -d --name three again
    eventually 10 printed three waiting
    podman rm -f -t 0 three
    podman rmi again
}

@test "conmon is killed: the guest lives on, and can be ended and removed" {
    unikernel -d --name web web
    fetch "http://$(address web)/plain"
    local pid
    pid=$(field web '{{.State.Pid}}')
    inside kill -KILL "$(inside ps -o ppid= -p "$pid" | tr -d ' ')"
    fetch "http://$(address web)/plain"
    # Version 5 misses conmon's word for the exit status once, with any runtime.
    run podman rm -f -t 1 web
    if [[ $status != 0 ]]; then
        (($(major) >= 5))
        [[ $output == *'conmon exited prematurely'* ]]
        podman rm -f -t 1 web
    fi
    run ! inside test -e "/proc/$pid"
    run ! podman container exists web
}

@test "two networks" {
    podman network create --subnet 10.215.7.0/24 seven
    unikernel -d --name web --network seven:ip=10.215.7.9 web
    run -0 fetch http://10.215.7.9/plain
    [[ $output == *'ipv4: 10.215.7.9/24'* ]]
    podman rm -f -t 0 web
    podman network rm seven
}

@test "an annotation chooses the network mode: on the command line, and in the image" {
    unikernel -d --name web --annotation org.runuk.network-mode=bridge web
    run -0 fetch "http://$(address web)/plain"
    run -0 podman exec web :info
    [[ $output == *bridge* ]]
    printf 'FROM web\n' >"$BATS_TEST_TMPDIR/Dockerfile"
    build annotated "$BATS_TEST_TMPDIR" --annotation org.runuk.network-mode=bridge
    unikernel -d --name two annotated
    run -0 fetch "http://$(address two)/plain"
    run -0 podman exec two :info
    # Since version 5 an image's annotations are no container's.
    if (($(major) < 5)); then [[ $output == *bridge* ]]; else [[ $output == *redirect* ]]; fi
    run unikernel --annotation org.runuk.network-mode=warp web
    [[ $status != 0 && $output == *"network mode 'warp'"* ]]
}

# errors_are_shown SETTINGS PREFIX: what a user reads of errors of create, start and exec. The prefix is podman's own before a
# text that it does not know.
errors_are_shown() {
    local -x PODMAN_CONF=$1
    local prefix=$2
    head -c 4096 "$BUILD/guests/hello.spt" >"$BATS_TEST_TMPDIR/cut"
    printf 'FROM scratch\nCOPY cut /cut\nENTRYPOINT ["/cut"]\n' >"$BATS_TEST_TMPDIR/Dockerfile"
    build cut "$BATS_TEST_TMPDIR"
    run -126 unikernel --rm cut
    [[ $output == *"$prefix: image '/cut': truncated ELF: "* ]]
    run -127 unikernel --rm --entrypoint /nothing hello
    [[ $output == *'exec: \"/nothing\": stat /nothing: no such file or directory'* ||
        $output == *'exec: "/nothing": stat /nothing: no such file or directory'* ]]
    unikernel -d --name one time wait
    run -255 podman exec one ls
    [[ $output == *"$prefix: container '$(field one '{{.Id}}')' is a unikernel: it has no processes to exec"* ]]
    podman rm -f -t 0 one
    run -126 unikernel --rm --annotation org.runuk.network-mode=warp hello
    [[ $output == *"$prefix: "*"'warp'"* ]]
}

@test "errors are shown word by word: runuk's own line" {
    errors_are_shown containers.conf 'OCI runtime error: runuk: runuk'
}

@test "errors are shown word by word: the JSON log's" {
    errors_are_shown containers-json.conf 'OCI runtime error: runuk'
}

@test "a pod: a unikernel and a Linux program beside it" {
    podman --runtime=runuk pod create --name both -p 8080:80
    unikernel -d --pod both --name web web
    unikernel -d --pod both --name beside busybox sleep 1000
    run -0 fetch http://127.0.0.1:8080/plain
    [[ $output == *"target: $TARGET"* ]]
    run -0 podman exec beside ip -o -4 addr show eth0
    local ip=${output#*inet }
    run -0 fetch "http://${ip%%/*}/plain"
    [[ $output == *"ipv4: ${ip%% *}"* ]]
    run -0 podman run --rm busybox timeout 10 wget -q -O - "http://${ip%%/*}/plain"
    run -0 podman pod ps --format '{{.Name}} {{.Status}} {{.NumberOfContainers}}'
    [[ $output == 'both Running 3' ]]
    podman pod stop -t 1 both
    field_is web '{{.State.Status}} {{.State.ExitCode}}' 'exited 143'
    podman pod start both
    fetch http://127.0.0.1:8080/plain
    podman pod rm -f -t 0 both
    run ! podman container exists web
}

@test "a pod of two unikernels as a whole: stats, logs, pause, restart, kill" {
    podman --runtime=runuk pod create --name both
    unikernel -d --pod both --name web web
    unikernel -d --pod both --name beside time wait
    run -0 podman pod stats --no-stream --format '{{.Name}} {{.PIDS}}' both
    [[ $output == *'web 1'* && $output == *'beside 1'* ]]
    eventually 10 printed web ready
    eventually 10 printed beside waiting
    run -0 podman pod logs both
    [[ $output == *ready* && $output == *waiting* ]]
    podman pod pause both
    field_is web '{{.State.Status}}' paused
    podman pod unpause both
    field_is web '{{.State.Status}}' running
    podman pod restart both
    field_is web '{{.State.Status}}' running
    field_is beside '{{.State.Status}}' running
    podman pod kill both
    eventually 10 field_is web '{{.State.Status}} {{.State.ExitCode}}' 'exited 137'
}

# The manifest for users, with images that are here.
@test "kube play of contrib/kubernetes/pod.yaml" {
    sed 's|registry.example/web:1|localhost/web|; s|image: busybox|image: localhost/busybox|' "$TOP/contrib/kubernetes/pod.yaml" \
        >"$BATS_TEST_TMPDIR/pod.yaml"
    podman --runtime=runuk kube play "$BATS_TEST_TMPDIR/pod.yaml"
    run -0 podman exec web-side ip -o -4 addr show eth0
    local ip=${output#*inet }
    run -0 fetch "http://${ip%%/*}/plain"
    [[ $output == *"target: $TARGET"* ]]
    run -0 podman healthcheck run web-web
    run -0 inside grep -E '^(Uid|Gid)' "/proc/$(field web-web '{{.State.Pid}}')/status"
    [[ $output == $'Uid:\t1234\t'*$'\nGid:\t1234\t'* ]]
    podman kube down "$BATS_TEST_TMPDIR/pod.yaml"
    run ! podman container exists web-web
}

@test "kube play" {
    cat >"$BATS_TEST_TMPDIR/pod.yaml" <<YAML
apiVersion: v1
kind: Pod
metadata:
  name: played
  annotations:
    org.runuk.network-mode: bridge
spec:
  containers:
  - name: web
    image: localhost/web
    ports:
    - containerPort: 80
      hostPort: 8080
    resources:
      limits:
        memory: 64Mi
  - name: beside
    image: localhost/busybox
    command: ["sleep", "1000"]
YAML
    podman --runtime=runuk kube play "$BATS_TEST_TMPDIR/pod.yaml"
    run -0 fetch http://127.0.0.1:8080/plain
    [[ $output == *"target: $TARGET"* ]]
    run -0 podman exec played-web :info
    [[ $output == *bridge* ]]
    run -0 podman exec played-beside hostname
    [[ $output == played ]]
    podman kube down "$BATS_TEST_TMPDIR/pod.yaml"
    run ! podman container exists played-web
}

@test "QEMU: arguments, output, exit statuses, and what is in the way in one line" {
    run -0 bare --rm hello.pvh one '{hostname}' '{ipv4}'
    [[ $output == 'Hello from pvh'*$'\narg[0]: one\narg[1]: '[0-9a-f]*$'\narg[2]: 10.215.0.'* ]]
    run -7 bare --rm finish.multiboot 7
    run -1 bare --rm finish.pvh triple-fault
    run -126 bare --rm -v "$BATS_TEST_TMPDIR:/data" --network none block.multiboot info
    [[ ${#lines[@]} == 1 && $output == *"volume '/data'"* ]]
    run -0 bare --rm --init --read-only --tmpfs /tmp --hostname here --add-host db:1.2.3.4 --dns 10.9.9.9 --mac-address 02:00:00:00:00:77 \
        hello.pvh '{hostname}' '{dns}' '{mac}'
    [[ $output == *$'\narg[0]: here\narg[1]: 10.9.9.9\narg[2]: 02:00:00:00:00:77'* ]]
}

@test "QEMU: a page through the published port; pause, exec, stats, a health check, restart, rm -f" {
    local pid
    page web -p 8080:80 -m 200m --health-cmd ':alive' --health-interval disable
    run -0 fetch http://127.0.0.1:8080/plain
    [[ $output == *'target: pvh'*"ipv4: $(address web)/24"* ]]
    podman pause web
    run ! inside curl -fsS --max-time 1 http://127.0.0.1:8080/plain
    podman unpause web
    run -0 podman exec web :info
    [[ $output == *'monitor: qemu, emulated'*"address $(address web)/24"* ]]
    run -0 podman stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' web
    [[ $output == *' / 209.7MB '[4-8] ]]
    podman healthcheck run web
    podman restart -t 5 web
    run -0 fetch http://127.0.0.1:8080/plain
    [[ $output == *'requests: 1'* ]]
    pid=$(field web '{{.State.Pid}}')
    podman rm -f -t 0 web
    run ! inside test -e "/proc/$pid"
    run ! inside pgrep '^(qemu|runuk)'
}

@test "QEMU: stop by the power button, at once without, by force when the grace time is over; restart policy" {
    bare -d --name button --network none button
    eventually 20 printed button 'waiting for the power button'
    podman stop -t 20 button
    field_is button '{{.State.Status}} {{.State.ExitCode}}' 'exited 0'
    printed button '^power button'
    bare -d --name plain --network none time.pvh wait
    eventually 20 printed plain waiting
    podman stop -t 20 plain
    field_is plain '{{.State.Status}} {{.State.ExitCode}}' 'exited 143'
    bare -d --name deaf --network none --entrypoint /guest button hang
    eventually 20 podman exec deaf :alive
    podman stop -t 1 deaf
    field_is deaf '{{.State.Status}} {{.State.ExitCode}}' 'exited 137'
    bare -d --name bye --network none --restart=on-failure:2 finish.pvh 3
    eventually 40 field_is bye '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' '2 exited 3'
}

@test "QEMU: a volume is a disk; in a user namespace of the container's, too" {
    local disk=$PODMAN_DIR/disk options
    truncate -s 64K "$disk"
    chmod 666 "$disk"
    for options in --network=none '--uidmap=0:100000:65536 --network=podman'; do
        # shellcheck disable=SC2086 # several words
        run -0 bare --rm $options -v "$disk:/data" block.multiboot rw
        [[ $output == *SUCCESS* ]]
    done
    run -3 bare --rm --network none -v "$disk:/data:ro" block.multiboot write
    page web --uidmap 0:100000:65536
    run -0 fetch "http://$(address web)/plain"
    [[ $output == *'target: pvh'* ]]
    run -0 inside grep Uid "/proc/$(field web '{{.State.Pid}}')/status"
    [[ $output == $'Uid:\t165534\t165534\t165534\t165534' ]]
}

@test "names: guests find other containers, and are found" {
    podman network create --subnet 10.215.9.0/24 names
    podman run -d --name db --network names busybox sleep 1000
    unikernel -d --name spt --network names web
    page site --network names
    bare -d --name asks --network names dns.pvh '--ipv4={ipv4.cidr}' '--ipv4-gateway={ipv4.gateway}' '{dns}' db spt site
    eventually 20 printed asks '^site: '
    run -0 podman logs asks
    [[ $output == *$'\ndb: 10.215.9.2'*$'\nspt: 10.215.9.3'*$'\nsite: 10.215.9.4'* ]]
    run -0 podman exec db timeout 10 wget -q -O - http://site/plain
    [[ $output == *'target: pvh'* ]]
    run -0 podman exec db timeout 10 wget -q -O - http://spt/plain
    podman rm -f -t 0 db spt site asks
    podman network rm names
}

@test "QEMU: a pod with a Linux program beside the guest, and its restart" {
    podman --runtime=runuk pod create --name both -p 8080:80
    page web --pod both
    podman run -d --pod both --name beside --stop-timeout 1 busybox sleep 1000
    run -0 fetch http://127.0.0.1:8080/plain
    [[ $output == *'target: pvh'* ]]
    run -0 podman exec beside ip -o -4 addr show eth0
    # One link is one guest's.
    run bare --pod both --name second finish.pvh hang
    [[ $status != 0 && $output == *"link 'eth0' already carries another guest"* ]]
    podman rm -f -t 0 second
    podman pod pause both
    field_is web '{{.State.Status}}' paused
    podman pod unpause both
    podman pod restart both
    run -0 fetch http://127.0.0.1:8080/plain
    [[ $output == *'requests: 1'* ]]
    podman pod rm -f -t 0 both
    run ! inside pgrep '^(qemu|runuk)'
}

@test "an ordinary image through runuk is runc's" {
    run -0 unikernel --rm busybox echo 'a word'
    [[ $output == 'a word' ]]
    run -3 unikernel --rm busybox sh -c 'exit 3'
    run -127 unikernel --rm busybox /no/such/program
    unikernel -d --name box -m 64m busybox sleep 1000
    run -0 podman exec box cat /proc/1/comm
    [[ $output == sleep ]]
    run -5 podman exec box sh -c 'exit 5'
    podman pause box
    field_is box '{{.State.Status}}' paused
    podman unpause box
    podman update -m 96m box
    [[ $(memory_limit box) == $((96 << 20)) ]]
    run -0 podman top box comm
    [[ $output == *sleep* ]]
    podman stop -t 0 box
    field_is box '{{.State.ExitCode}}' 137
    run -0 podman build -q --runtime "$BUILD/runuk" --network none - <<<$'FROM busybox\nRUN echo built'
}

@test "twenty times run and rm, and a pod: nothing is left behind" {
    unikernel --rm hello >/dev/null
    podman --runtime=runuk pod create --name warm && podman pod rm -f warm
    traces >"$BATS_TEST_TMPDIR/before"
    local round
    for round in {1..20}; do
        run -0 unikernel --rm hello "$round"
        [[ $output == *"arg[0]: $round"* ]]
    done
    unikernel -d --name web web
    fetch "http://$(address web)/plain"
    podman rm -f -t 0 web
    podman --runtime=runuk pod create --name both
    unikernel -d --pod both web
    podman pod rm -f -t 0 both
    bare --rm hello.pvh one >/dev/null
    page web
    podman rm -f -t 0 web
    no_new_traces "$BATS_TEST_TMPDIR/before"
}
