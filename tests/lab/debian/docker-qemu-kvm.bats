#!/usr/bin/env bats
# Guests in QEMU on working KVM, by the machine's own Docker with systemd's driver on cgroup v2: what is another matter than emulated
# (tests/docker-qemu.bats), and what happens where KVM is missing. For the Debian machine.

load ../../docker.bash

LINUX=/srv/linux-guest

setup_file() {
    [[ $RUNUK_DOCKER_DRIVER == systemd ]]
    docker_up
    local name
    for name in machine.{multiboot,pvh,unikraft} web.{pvh,unikraft} dns.pvh block.multiboot finish.pvh time.pvh hog.pvh; do
        bare_image "$name" "$BUILD/guests/$name"
    done
    urunc_image button "$BUILD/guests/finish.pvh" osv button
    mkdir -p "$BATS_FILE_TMPDIR/linux/bin"
    cp -r "$LINUX/." "$BATS_FILE_TMPDIR/linux/"
    cp /bin/busybox "$BATS_FILE_TMPDIR/linux/bin/"
    for name in cat echo hostname id ip ping sh sleep uname wget; do ln -s busybox "$BATS_FILE_TMPDIR/linux/bin/$name"; done
    image_of linux "$BATS_FILE_TMPDIR/linux" 'ENV PATH=/bin' 'ENTRYPOINT ["/vmlinuz"]' 'CMD ["sh"]'
}

teardown_file() {
    docker_down
}

setup() {
    accel kvm
}

teardown() {
    [[ ! -e /dev/kvm.away ]] || mv /dev/kvm.away /dev/kvm
    docker_clear
}

# accel WORD: what runuk's settings say of KVM and emulation. They are read at each call.
accel() {
    local name
    for name in runuk runuk-bridge; do
        jq --arg accel "$1" '.accel = $accel' "/etc/runuk/$name.json" >"/etc/runuk/$name.new"
        mv "/etc/runuk/$name.new" "/etc/runuk/$name.json"
    done
}

unikernel() {
    docker run --runtime=runuk "$@"
}

qemu_of() {
    pgrep -P "$(field "$1" '{{.State.Pid}}')" qemu-system
}

# on_kvm CONTAINER: its QEMU has a processor of KVM's, and runuk says nothing of emulation.
on_kvm() {
    [[ -n $(find "/proc/$(qemu_of "$1")/fd" -lname 'anon_inode:kvm-vcpu:*') ]]
    run -0 docker exec "$1" :info
    [[ $output == *'monitor: qemu, process '* ]]
}

# ends NAME STATUS: the container has ended by itself, with that.
ends() {
    eventually 30 field_is "$1" '{{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}} {{.State.Error}}' "exited $2 false "
}

@test "each way of booting is KVM's: multiboot and PVH on pc, Linux' 64-bit entry by the loader on microvm" {
    local way
    for way in multiboot pvh; do
        run -0 unikernel --rm --network none machine.$way
        [[ $output == "booted as $way"*'hypervisor KVMKVMKVM'* ]]
    done
    unikernel -d --name loaded --network none machine.unikraft
    eventually 20 printed loaded '^hypervisor KVMKVMKVM'
    printed loaded 'booted as linux64'
    on_kvm loaded
}

@test "arguments, address, a page by either wiring, names of services by the relay" {
    docker network create --subnet 10.214.61.0/24 own
    unikernel -d --name site --network own web.pvh '--ipv4={ipv4.cidr}' '--ipv4-gateway={ipv4.gateway}'
    docker run -d --runtime=runuk-bridge --name other --network own web.unikraft '--ipv4={ipv4.cidr}'
    unikernel -d --name asks --network own dns.pvh '--ipv4={ipv4.cidr}' '--ipv4-gateway={ipv4.gateway}' '{dns}' site other wait
    run -0 fetch "http://$(address site)/plain"
    [[ $output == *'target: pvh'*"ipv4: $(address site)/24"* ]]
    run -0 fetch "http://$(address other)/plain"
    [[ $output == *'target: linux64'*"ipv4: $(address other)/24"* ]]
    on_kvm other
    eventually 30 printed asks "^other: $(address other)"
    printed asks "^site: $(address site)"
    run -0 docker run --rm --network own busybox timeout 60 wget -q -O - http://site/plain
    [[ $output == *"mac: $(field site '{{.NetworkSettings.Networks.own.MacAddress}}')"* ]]
}

@test "a volume that is a file is a disk, read-only when the engine says so" {
    truncate -s 64K "$BATS_TEST_TMPDIR/disk"
    chmod 0666 "$BATS_TEST_TMPDIR/disk"
    run -0 unikernel --rm --network none -v "$BATS_TEST_TMPDIR/disk:/data" block.multiboot rw
    [[ $output == *SUCCESS* ]]
    run -3 unikernel --rm --network none -v "$BATS_TEST_TMPDIR/disk:/data:ro" block.multiboot write
    [[ $output == *'write refused'* ]]
}

@test "stop: by the button, too early for the guest, in vain until the grace time is over, and at once" {
    unikernel -d --name early --network none button
    docker stop -t 100 early
    field_is early '{{.State.Status}} {{.State.ExitCode}}' 'exited 0'
    docker start early
    eventually 20 printed early 'waiting for the power button'
    docker stop -t 100 early
    field_is early '{{.State.Status}} {{.State.ExitCode}}' 'exited 0'
    unikernel -d --name deaf --network none --entrypoint /guest button hang
    unikernel -d --name plain --network none time.pvh wait
    eventually 20 printed plain waiting
    docker stop -t 1 deaf
    field_is deaf '{{.State.Status}} {{.State.ExitCode}}' 'exited 137'
    docker stop -t 100 plain
    field_is plain '{{.State.Status}} {{.State.ExitCode}}' 'exited 143'
}

@test "exit statuses" {
    unikernel -d --name zero --network none finish.pvh 0
    unikernel -d --name seven --network none finish.pvh 7
    unikernel -d --name off --network none finish.pvh power-off
    unikernel -d --name fault --network none finish.pvh triple-fault
    ends zero 0
    ends seven 7
    ends off 0
    ends fault 1
    printed fault 'the guest was reset: a triple fault, or it rebooted'
}

@test "pause by the v2 freezer, update of the limit, kill of QEMU" {
    unikernel -d --name web -m 192m web.pvh '--ipv4={ipv4.cidr}'
    fetch "http://$(address web)/plain"
    docker pause web
    run ! curl -fsS --max-time 2 "http://$(address web)/plain"
    docker unpause web
    docker update -m 224m --memory-swap 224m web
    systemctl daemon-reload
    fetch "http://$(address web)/plain"
    on_kvm web
    kill -KILL "$(qemu_of web)"
    eventually 10 field_is web '{{.State.Status}} {{.State.ExitCode}}' 'exited 137'
}

@test "a guest can touch all of its memory within -m; one in a slice that has less is killed" {
    local slice
    unikernel -d --name fits --network none -m 160m --memory-swap 160m hog.pvh
    ends fits 0
    printed fits '^done: '
    slice=$(small_cgroup runuktest-qemu)
    unikernel -d --name hog --network none --cgroup-parent "$slice" hog.pvh
    eventually 30 field_is hog '{{.State.Status}} {{.State.ExitCode}}' 'exited 137'
    printed hog 'QEMU was killed by signal 9'
    grep -qx 'oom_kill [1-9]' "/sys/fs/cgroup/runuktest.slice/$slice/memory.events"
    systemctl stop "$slice"
}

@test "a Linux kernel with one program: its output, address, name server and status; stop is SIGTERM" {
    docker network create --subnet 10.214.77.0/24 --gateway 10.214.77.1 seventyseven
    docker run -d --name peer --network seventyseven busybox sleep 3000
    run -42 --separate-stderr unikernel --rm --network seventyseven --ip 10.214.77.9 -e 'TEXT=two words' linux \
        sh -c 'uname -s; echo "$TEXT"; ip -4 addr show eth0; ping -c 1 -W 50 peer; exit 42'
    # A kernel may have something to say of its machine first.
    [[ $output == *$'Linux\ntwo words\n'*'inet 10.214.77.9/24'*' 0% packet loss'* ]]
    unikernel -d --name guest --network none linux sh -c 'trap "exit 5" TERM; echo ready; while :; do sleep 1; done'
    eventually 60 printed guest ready
    on_kvm guest
    docker stop -t 200 guest
    field_is guest '{{.State.ExitCode}}' 5
}

# The log that the shim keeps for the runtime.
warnings() {
    grep -c 'the guest is emulated, which is slow' "/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/$(field "$1" '{{.Id}}')/log.json"
}

@test "without /dev/kvm: refused in words, or emulated with one warning" {
    mv /dev/kvm /dev/kvm.away
    run unikernel --rm --network none machine.pvh
    [[ $status != 0 && $output == *'OCI runtime create failed'*'the settings say "accel": "kvm", and KVM cannot be used (there is no /dev/kvm)'* ]]
    accel auto
    unikernel -d --name slow --network none time.pvh wait
    eventually 60 printed slow waiting
    run -0 docker exec slow :info
    [[ $output == *'monitor: qemu, emulated, process '* ]]
    [[ $(warnings slow) == 1 ]]
    docker stop -t 100 slow
    mv /dev/kvm.away /dev/kvm
    docker start slow
    on_kvm slow
    [[ $(warnings slow) == 0 ]]
}

@test "where /dev/kvm is not allowed: refused in words" {
    run systemd-run --wait --pipe -q -p DevicePolicy=closed "$BUILD/runuk" --settings /etc/runuk/runuk.json inspect "$BUILD/guests/machine.pvh"
    [[ $status != 0 && $output == *'KVM cannot be used (the device cgroup that runuk is in does not allow /dev/kvm)'* ]]
    run setpriv --reuid 1000 --regid 1000 --clear-groups "$BUILD/runuk" --settings /etc/runuk/runuk.json inspect "$BUILD/guests/machine.pvh"
    [[ $status != 0 && $output == *'KVM cannot be used (this user may not open /dev/kvm)'* ]]
}

@test "5 times run and rm, and nothing is left" {
    local n
    docker run --rm --runtime=runuk --network none finish.pvh 0
    traces >"$BATS_TEST_TMPDIR/before"
    for n in 1 2 3 4 5; do
        run -"$n" unikernel --rm finish.pvh "$n"
    done
    no_new_traces "$BATS_TEST_TMPDIR/before"
}
