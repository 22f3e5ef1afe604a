#!/usr/bin/env bats
# `docker run --runtime=runuk` of guests for bare machines, which QEMU boots: emulated here, whether there is KVM or not, so that it
# is the same everywhere.

load docker.bash

setup_file() {
    docker_up
    local name
    for name in runuk runuk-large runuk-bridge; do emulate "$DOCKER_DIR/$name.json"; done
    for name in finish.multiboot finish.pvh hello.multiboot hello.pvh hog.pvh net2.pvh time.pvh web.multiboot web.pvh; do
        bare_image "$name" "$BUILD/guests/$name"
    done
    urunc_image button "$BUILD/guests/finish.pvh" osv button
}

setup() {
    cd "$BATS_TEST_TMPDIR" || return
}

teardown_file() {
    docker_down
}

teardown() {
    docker_clear
}

unikernel() {
    docker run --runtime=runuk "$@"
}

# web NAME [OPTION…]: the web guest, with its address.
web() {
    docker run --runtime="${RUNTIME:-runuk}" -d --name "$@" web.pvh '--ipv4={ipv4.cidr}' '--ipv4-gateway={ipv4.gateway}'
}

# ends NAME STATUS: the container has ended by itself, with that.
ends() {
    run -0 docker wait "$1"
    [[ $output == "$2" ]]
    field_is "$1" '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}' "exited $2 false "
}

@test "arguments arrive, by each way of booting" {
    run -0 unikernel --rm hello.multiboot one two
    [[ $output == 'Hello from multiboot'*$'\narg[0]: one\narg[1]: two' ]]
    run -0 unikernel --rm hello.pvh one '{hostname}' '{ipv4}'
    [[ $output == 'Hello from pvh'*$'\narg[0]: one\narg[1]: '[0-9a-f]*$'\narg[2]: 10.213.'* ]]
    run unikernel --rm hello.pvh 'one two' three
    [[ $status != 0 && $output == *"'one two'"*'give that as a single argument'* ]]
}

@test "exit statuses" {
    unikernel -d --name zero finish.pvh 0
    unikernel -d --name seven finish.multiboot 7
    unikernel -d --name off finish.pvh power-off
    unikernel -d --name fault finish.multiboot triple-fault
    ends zero 0
    ends seven 7
    ends off 0
    ends fault 1
    run -0 docker logs fault
    [[ $output == *'the guest was reset: a triple fault, or it rebooted'* ]]
    run -9 unikernel --rm finish.pvh 9 said before
    [[ $output == *'said before'* ]]
}

@test "a Hermit image as its users make it: an application, and the loader beside it" {
    local context=$BATS_TEST_TMPDIR/context
    mkdir "$context"
    cp "$BUILD/guests/application.hermit" "$context/httpd"
    cp "$BUILD/guests/loader.multiboot" "$context/hermit-loader-x86_64"
    printf 'FROM scratch\nCOPY hermit-loader-x86_64 hermit/hermit-loader\nCOPY httpd hermit/httpd\nCMD ["/hermit/httpd"]\n' \
        >"$context/Dockerfile"
    docker build -q -t hermit "$context" >/dev/null
    run -0 unikernel --rm -e 'A=b c' hermit /hermit/httpd one 'two words'
    [[ $output == *'told:  -ip 10.213.'*' -mask 255.255.'*' -gateway 10.213.'*" env='A=b c' "*" -- one 'two words'"* ]]
    [[ $output == *'7fELF, ABI 255'* ]]
    run -1 unikernel --rm hermit /hermit/httpd fail
    unikernel -d --name stays hermit /hermit/httpd stay
    eventually 20 printed stays 'ABI 255'
    docker exec stays :info | grep -F 'image: /hermit/httpd, booted by /hermit/hermit-loader'
    docker stop -t 10 stays
    ends stays 143
}

@test "a page through the published port, on the default network and on one's own, by either wiring" {
    local runtime network
    docker network create --subnet 10.214.61.0/24 own
    for runtime in runuk runuk-bridge; do
        for network in bridge own; do
            RUNTIME=$runtime web web --network $network -p 8080:80
            run -0 fetch http://127.0.0.1:8080/plain
            [[ $output == *'target: pvh'*"ipv4: $(address web)/"* ]]
            run -0 docker run --rm --network $network busybox timeout 10 wget -q -O - "http://$(address web)/plain"
            [[ $output == *"mac: $(field web "{{.NetworkSettings.Networks.$network.MacAddress}}")"* ]]
            docker rm -f web
        done
    done
}

@test "three megabytes, and the link's MTU" {
    docker network create -o com.docker.network.driver.mtu=1400 narrow
    unikernel -d --name web --network narrow web.multiboot '--ipv4={ipv4.cidr}'
    run -0 fetch "http://$(address web)/plain"
    [[ $output == *'mtu: 1400'* ]]
    run -0 inside curl -fsS --max-time 30 -o /dev/null -w '%{size_download}' "http://$(address web)/big?n=3000000"
    [[ $output == 3000000 ]]
}

@test "several networks: a device each" {
    docker network create --subnet 10.214.62.0/24 first
    docker network create --subnet 10.214.63.0/24 other
    docker create --runtime=runuk --name both --network first --ip 10.214.62.5 net2.pvh '--ipv4={eth0.ipv4.cidr}' \
        '--second-ipv4={eth1.ipv4.cidr}'
    docker network connect --ip 10.214.63.5 other both
    docker start both
    run -0 fetch http://10.214.62.5/plain
    [[ $output == *'10.214.62.5/24'* && $output == *'10.214.63.5/24'* ]]
    run -0 docker run --rm --network other busybox ping -c 2 -W 5 10.214.63.5
    [[ $output == *' 0% packet loss'* ]]
    run -0 docker exec both :info
    [[ $output == *'device eth0: network, redirect eth0'*'device eth1: network, redirect eth1'* ]]
    # None at all.
    run -0 unikernel --rm --network none hello.pvh alone
    [[ $output == *'arg[0]: alone' ]]
}

@test "stop: by the power button where the guest's family has one, else at once" {
    local start
    unikernel -d --name button --network none button
    eventually 10 printed button 'waiting for the power button'
    run -0 docker top button -o pid,comm
    [[ ${#lines[@]} == 3 && $output == *runuk-qemu*qemu-system* ]]
    docker stop -t 20 button
    field_is button '{{.State.Status}} {{.State.ExitCode}}' 'exited 0'
    printed button '^power button'
    # A guest that does not listen yet when it is told hears it all the same.
    unikernel -d --name early --network none button
    docker stop -t 20 early
    field_is early '{{.State.Status}} {{.State.ExitCode}}' 'exited 0'
    unikernel -d --name one time.pvh wait
    eventually 10 printed one waiting
    start=${EPOCHREALTIME/./}
    docker stop -t 20 one
    ((${EPOCHREALTIME/./} - start < 5000000 * RUNUK_SLOW))
    field_is one '{{.State.Status}} {{.State.ExitCode}}' 'exited 143'
}

@test "a guest that has the button and does not hear it is killed when the grace time is over" {
    unikernel -d --name deaf --network none --entrypoint /guest button hang
    eventually 10 docker exec deaf :alive
    docker stop -t 1 deaf
    field_is deaf '{{.State.Status}} {{.State.ExitCode}}' 'exited 137'
}

@test "kill, with and without a signal's name; QEMU's end and its supervisor's" {
    local name
    for name in one two three four; do unikernel -d --name $name time.pvh wait; done
    for name in one two three four; do eventually 10 printed $name waiting; done
    docker kill one
    docker kill -s INT two
    inside kill -KILL "$(qemu_of three)"
    inside kill -KILL "$(field four '{{.State.Pid}}')"
    eventually 10 field_is one '{{.State.Status}} {{.State.ExitCode}}' 'exited 137'
    eventually 10 field_is two '{{.State.Status}} {{.State.ExitCode}}' 'exited 130'
    eventually 10 field_is three '{{.State.Status}} {{.State.ExitCode}}' 'exited 137'
    printed three 'QEMU was killed by signal 9'
    eventually 10 field_is four '{{.State.Status}} {{.State.ExitCode}}' 'exited 137'
    run ! inside pgrep qemu-system
}

# The process of QEMU, in the daemon's namespace.
qemu_of() {
    docker top "$1" -o pid,comm | awk '$2 ~ /^qemu-system/ { print $1 }'
}

@test "restart boots it anew; a restart policy tries as often as told" {
    web web
    fetch "http://$(address web)/plain"
    fetch "http://$(address web)/plain"
    docker restart -t 5 web
    run -0 fetch "http://$(address web)/plain"
    [[ $output == *'requests: 1'* ]]
    unikernel -d --name bye --restart=on-failure:2 finish.pvh 3
    eventually 40 field_is bye '{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}}' '2 exited 3'
}

@test "pause, unpause, top, stats and update" {
    web web -m 192m
    fetch "http://$(address web)/plain"
    docker pause web
    field_is web '{{.State.Status}}' paused
    run ! inside curl -fsS --max-time 1 "http://$(address web)/plain"
    docker unpause web
    fetch "http://$(address web)/plain"
    run -0 docker top web -o pid,comm
    [[ ${#lines[@]} == 4 && ${lines[1]} == "$(field web '{{.State.Pid}}')"*runuk-qemu ]]
    [[ $output == *qemu-system* && $output == *runuk-relay* ]]
    run -0 docker stats --no-stream --format '{{.MemUsage}} {{.PIDs}}' web
    [[ $output =~ ^[0-9.]+MiB\ /\ 192MiB\ [1-9] ]]
    docker update -m 224m --memory-swap 224m web
    run -0 docker stats --no-stream --format '{{.MemUsage}}' web
    [[ $output == *'/ 224MiB' ]]
    run docker update -m 64m web
    [[ $status != 0 && $output == *'is less than guest and monitor need'* ]]
}

@test "a family that knows its guests: memory that is too little for them, and DHCP for those that know no other way" {
    # What is recognised as a disk of Nanos: code that halts, and its file system's name.
    truncate -s 128K disk
    printf '\xfa\xf4' | dd of=disk conv=notrunc status=none
    printf '\x55\xaa' | dd of=disk bs=1 seek=510 conv=notrunc status=none
    printf NVMTFS | dd of=disk bs=1 seek=52736 conv=notrunc status=none
    bare_image disk disk 0644
    run unikernel --rm -m 100m disk
    [[ $status != 0 && $output == *'but this image needs 65536 KiB: raise the limit'* ]]
    unikernel -d --name one disk
    run -0 docker top one -o pid,comm
    [[ $output == *qemu-system* && $output == *runuk-relay* ]]
    run -0 docker exec one :info
    [[ $output == *'family: nanos'* ]]
}

@test "-m: the guest gets the limit less what QEMU needs, and can be too small" {
    run -0 unikernel --rm --runtime=runuk-large -m 128m hello.pvh
    local bytes=${output#*mem: }
    bytes=${bytes%%[!0-9]*}
    ((bytes > 56 << 20 && bytes < 96 << 20))
    run unikernel --rm -m 40m hello.pvh
    [[ $status != 0 && $output == *'OCI runtime'*'raise the limit'* ]]
}

@test "a guest can touch all of its memory within -m; a pod that has less than that kills it, and OOMKilled says so" {
    unikernel -d --name fits -m 160m --memory-swap 160m hog.pvh
    ends fits 0
    printed fits '^done: '
    unikernel -d --name hog --cgroup-parent "$(small_cgroup pod)" hog.pvh
    run -0 docker wait hog
    field_is hog '{{.State.OOMKilled}} {{.State.ExitCode}}' 'true 137'
    printed hog 'QEMU was killed by signal 9'
    printed hog 'touched 32 MiB'
}

@test "a read-only container; another user; no privileges" {
    local pid
    run -0 unikernel --rm --read-only hello.pvh there
    [[ $output == *'arg[0]: there' ]]
    unikernel -d --name user --read-only --user 1234:1234 time.pvh wait
    eventually 10 printed user waiting
    for pid in "$(field user '{{.State.Pid}}')" "$(qemu_of user)"; do
        run -0 inside awk '/^(Uid|CapPrm|CapBnd|NoNewPrivs|Seccomp):/ { print $2 }' "/proc/$pid/status"
        [[ $output == $'1234\n0000000000000000\n0000000000000000\n1\n2' ]]
    done
}

@test "a terminal shows what the guest prints; exec tells about the guest" {
    run -0 timeout 30 script -qec "$(type -P docker) run --rm -it --runtime=runuk hello.pvh tty" /dev/null
    [[ $output == *'Hello from pvh'*'arg[0]: tty'* ]]
    web web
    fetch "http://$(address web)/plain"
    run -0 docker exec web :info
    [[ $output == *'monitor: qemu, emulated, process '*"address $(address web)/20"* ]]
    run -0 docker exec web :net
    [[ $output =~ received\ [1-9][0-9]*\ frames ]]
    exec_refused web ls
    [[ $output == *'it has no processes to exec'* ]]
}

@test "exec :console shows what the guest prints, and the log misses nothing of it" {
    unikernel -d --name tick time.pvh 'tick 50'
    timeout -k 5 60 "$(type -P docker)" exec tick :console >shown 2>&1 3>&- &
    local job=$!
    eventually 20 grep -q '^tick ' shown
    docker stop -t 5 tick
    kill "$job" || : # this dockerd loses an exec's end that comes together with the container's
    wait "$job" || :
    docker logs tick | tr -d '\r' >log
    tr -d '\r' <shown | grep '^tick [0-9]* $' >whole
    diff whole <(sed -n "/^$(head -n 1 whole)\$/,\$p" log | head -n "$(wc -l <whole)")
}

@test "what is in the way stands in docker run's own error line" {
    local settings=$DOCKER_DIR/runuk-large.json
    bare_image unreadable "$BUILD/guests/hello.pvh" 0700
    run unikernel --name unreadable unreadable
    [[ $status != 0 && $output == *'OCI runtime create failed'*'chmod a+r'* ]]
    field_is unreadable '{{.State.Status}}' created
    run unikernel --rm --network none --pids-limit 1 hello.pvh
    [[ $status != 0 && $output == *'OCI runtime start failed'*'start QEMU: Resource temporarily unavailable'* ]]
    jq '.qemu = "/nonexistent/qemu"' "$settings" >"$settings.new"
    cp "$settings" "$settings.old"
    mv "$settings.new" "$settings"
    run docker run --rm --runtime=runuk-large hello.pvh
    mv "$settings.old" "$settings"
    [[ $status != 0 && $output == *"OCI runtime create failed"*"there is no '/nonexistent/qemu': install qemu-system-x86"* ]]
}

@test "commit, diff, export, cp, rename, wait and events" {
    local before waiting
    before=$(inside date +%s.%N)
    run -0 unikernel -d --name one time.pvh wait
    docker wait "$output" >waited 3>&- & # which does not mind another name
    waiting=$!
    eventually 20 printed one waiting
    docker rename one two
    docker cp two:/guest copy
    cmp copy "$BUILD/guests/time.pvh"
    docker cp copy two:/put
    run -0 docker diff two
    [[ $output == 'A /put' ]] # QEMU and its supervisor write nothing into the container
    docker export two | tar -t >files
    grep -qx guest files
    docker commit two again
    # A paused one hears of its end at once.
    docker pause two
    docker kill -s TERM two
    wait "$waiting"
    [[ $(<waited) == 143 ]]
    run -0 docker events --since "$before" --until "$(inside date +%s.%N)" --filter container=two --format '{{.Action}} {{.Actor.Attributes.exitCode}}'
    [[ $output == *pause*kill*'die 143'* ]]
    unikernel -d --name three again
    eventually 20 printed three waiting
    docker rm -f three
    docker image rm -f again
}

@test "networks that come and go while a guest runs: it keeps what it has until it is started again; IPv6" {
    docker network create --ipv6 --subnet fd00:77::/64 --subnet 10.214.64.0/24 first
    docker network create --subnet 10.214.65.0/24 other
    web web --network first --ip 10.214.64.5 --hostname here --mac-address 02:42:00:00:00:99
    run -0 fetch http://10.214.64.5/plain
    [[ $output == *'mac: 02:42:00:00:00:99'* ]]
    docker network connect --ip 10.214.65.5 other web
    run -0 docker exec web :info
    [[ $output == *'address fd00:77::2/64'* && $output != *10.214.65.5* ]]
    fetch http://10.214.64.5/plain
    docker network disconnect first web
    run ! docker run --rm --network first busybox ping -c 1 -W 1 10.214.64.5
    run -0 docker exec web :alive
    docker restart -t 1 web
    run -0 fetch http://10.214.65.5/plain
    [[ $output == *'requests: 1'* ]]
}

@test "another container's network: the guest takes its link over, a second one can't, and gives it back" {
    docker run -d --name keeper -p 8080:80 busybox sleep 1000
    web web --network container:keeper
    run -0 fetch http://127.0.0.1:8080/plain
    [[ $output == *"ipv4: $(address keeper)/20"* ]]
    run web second --network container:keeper
    [[ $status != 0 && $output == *"link 'eth0' already carries another guest"* ]]
    fetch http://127.0.0.1:8080/plain
    docker rm -f web second
    run -0 docker exec keeper ping -c 1 -W 5 10.213.0.1
    run -0 docker exec keeper ip -o link
    [[ ${#lines[@]} == 2 ]]
}

@test "a killed shim takes supervisor, QEMU and relay with it, and nothing of them stays" {
    docker run --rm --runtime=runuk hello.pvh >/dev/null
    traces >"$BATS_TEST_TMPDIR/before"
    web web
    fetch "http://$(address web)/plain"
    inside kill -KILL "$(inside ps -o ppid= -p "$(field web '{{.State.Pid}}')")"
    eventually 10 field_is web '{{.State.Status}} {{.State.ExitCode}}' 'exited 137'
    run ! inside pgrep '^(qemu|runuk)'
    docker start web
    run -0 fetch "http://$(address web)/plain"
    [[ $output == *'requests: 1'* ]]
    docker rm -f web
    no_new_traces "$BATS_TEST_TMPDIR/before"
}

@test "five at once, each with its own address and page" {
    local n pids=() pid
    docker run --rm --runtime=runuk hello.pvh >/dev/null
    traces >"$BATS_TEST_TMPDIR/before"
    for n in {1..5}; do
        web "web$n" >/dev/null 3>&- &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do wait "$pid"; done
    for n in {1..5}; do
        run -0 fetch "http://$(address "web$n")/plain"
        [[ $output == *"ipv4: $(address "web$n")/"* ]]
    done
    docker rm -f web{1..5}
    no_new_traces "$BATS_TEST_TMPDIR/before"
}

@test "100 times run and rm, in two lanes, and nothing is left" {
    docker run --rm --runtime=runuk hello.pvh >/dev/null
    traces >"$BATS_TEST_TMPDIR/before"
    fifty left 3>&- &
    local lane=$!
    fifty right
    wait "$lane"
    no_new_traces "$BATS_TEST_TMPDIR/before"
}

# fifty WORD: run and rm so many, each with its own argument.
fifty() {
    local n
    for ((n = 0; n < 50; n++)); do
        unikernel --rm hello.pvh "$1-$n" >"$1"
        grep -qx "arg\[0\]: $1-$n" "$1" || return 1
    done
}
