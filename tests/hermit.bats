#!/usr/bin/env bats
# Images of two files: a Hermit application and the loader that boots it. A guest of ours stands in for the loader (it prints what
# reaches it, and ends as Hermit's kernel does), an ELF file with Hermit's note for the application. All emulated.

load oci

setup() {
    oci_setup
    settings '.accel = "tcg"'
    bundle a hello
    rm a/rootfs/guest
    mkdir a/rootfs/hermit
    put application.hermit hermit/app
    put loader.multiboot hermit/hermit-loader
    starts /hermit/app
}

teardown() {
    oci_teardown
}

# put GUEST PATH: in the rootfs.
put() {
    install -D -m 644 "$GUESTS/$1" "a/rootfs/$2"
}

# starts WORD…: what the container is to run.
starts() {
    config a '.process.args = $ARGS.positional' --args -- "$@"
}

annotate() {
    config a '.annotations[$key] = $value' --arg key "$1" --arg value "$2"
}

boots() {
    run runuk run --bundle "$BATS_TEST_TMPDIR/a" a </dev/null
}

# fails TEXT: create fails for that reason, and runc never hears of it.
fails() {
    boots
    ended 1
    said "$1"
}

size() {
    stat -c %s "$GUESTS/application.hermit"
}

@test "the application is the entrypoint, the loader lies beside it" {
    starts /hermit/app one 'two words' "it's"
    boots
    ended 0
    said "[LOADER] told:  env=PATH=/ -- one 'two words' 'it'\\''s'"
    said "[LOADER] module of $(size) bytes, 7fELF, ABI 255"
}

@test "the exit status: 1 at the port is success, anything else is not, a power-off is none" {
    starts /hermit/app fail
    boots
    ended 1
    starts /hermit/app off
    boots
    ended 0
    settings '.memory_mib = 100'
    starts /hermit/app well
    boots
    ended 0
}

@test "a kernel before 0.10 is told no environment, which it would panic over" {
    poke a/rootfs/hermit/app "$(offset_of a/rootfs/hermit/app 'could not parse')" 'Could not parse'
    config a '.process.env = ["PATH=/", "A=b"]'
    starts /hermit/app one
    boots
    ended 0
    said "[LOADER] told:  -- one"
    said "variable 'A' is not passed on"
}

@test "a loader that panics spins for ever: the guest is over, with 255" {
    starts /hermit/app panic
    boots
    ended 255
    said '[LOADER] panicked at src/main.rs:1:2:'
}

@test "every name of a loader, and every place" {
    local name
    for name in hermit/hermit-loader-x86_64-multiboot hermit/hermit-loader-x86_64 hermit/rusty-loader hermit-loader; do
        rm -f a/rootfs/hermit/*oader* a/rootfs/*oader*
        put loader.multiboot "$name"
        boots
        ended 0
        said "module of $(size) bytes"
    done
    put application.hermit opt/demo/app
    starts /opt/demo/app
    boots
    ended 0
    rm a/rootfs/hermit-loader
    put loader.multiboot hermit/hermit-loader
    boots
    ended 0
    config a '.process.cwd = "/opt" | .process.args = ["demo/app"]'
    boots
    ended 0
}

@test "without a loader it is an error that says what is missing" {
    rm a/rootfs/hermit/hermit-loader
    fails "image '/hermit/app' is an application that Hermit's loader boots: put the loader that is built for multiboot beside it, as 'hermit-loader'"
}

@test "a loader that QEMU does not boot is named; the next one counts" {
    put loader.linux64 hermit/hermit-loader
    fails "'/hermit/hermit-loader'"
    cp "$(type -P true)" a/rootfs/hermit/hermit-loader
    boots
    ended 1
    put loader.multiboot hermit/hermit-loader-x86_64
    boots
    ended 0
}

@test "the loader is the entrypoint: the application is its first argument" {
    starts /hermit/hermit-loader /hermit/app one
    boots
    ended 0
    said 'told:  env=PATH=/ -- one'
    said "module of $(size) bytes"
    config a '.process.cwd = "/hermit" | .process.args[1] = "app"'
    boots
    ended 0
    starts /hermit/hermit-loader one
    fails "image '/hermit/hermit-loader' is Hermit's loader: make the application that it is to boot the entrypoint"
}

@test "annotations name the two" {
    put application.hermit app
    mv a/rootfs/hermit/hermit-loader a/rootfs/kernel
    starts none one
    annotate org.runuk.kernel /kernel
    annotate org.runuk.initrd /app
    boots
    ended 0
    said 'told:  env=PATH=/ -- none one'
    said "module of $(size) bytes"
    starts /kernel one
    boots
    ended 0
    said 'told:  env=PATH=/ -- one'
    config a 'del(.annotations["org.runuk.initrd"])'
    starts /app one
    boots
    ended 0
    said 'told:  env=PATH=/ -- one'
    echo 'what the loader knows and runuk does not' >a/rootfs/image
    annotate org.runuk.initrd /image
    starts /kernel one
    boots
    ended 0
    said 'module of 41 bytes'
}

@test "an application has one initial ram disk, and none of the container's files" {
    annotate org.runuk.initrd /hermit/hermit-loader
    fails "annotation 'org.runuk.initrd': '/hermit/app' is itself the initial ram disk of its loader '/hermit/hermit-loader'"
    config a 'del(.annotations)'
    annotate org.runuk.rootfs initrd
    fails "annotation 'org.runuk.rootfs': guests of family hermit"
}

@test "an image made for urunc: binary is the loader, initrd the application" {
    jq -n '{unikernelType: "hermit", hypervisor: "qemu", binary: "/hermit/hermit-loader", initrd: "/hermit/app", cmdline: "one two"}
        | with_entries(.key |= "com.urunc.unikernel.\(.)" | .value |= @base64)' >a/rootfs/urunc.json
    starts unikernel
    boots
    ended 0
    said 'told:  env=PATH=/ -- one two'
    said "module of $(size) bytes"
}

@test "an application of another machine, a malformed one, one that only root may read" {
    poke a/rootfs/hermit/app 18 '\xb7'
    fails "image '/hermit/app' is built for another machine (aarch64): build it for x86-64"
    put application.hermit hermit/app
    chmod 600 a/rootfs/hermit/app
    fails "'/hermit/app' can be read by its owner only"
    chmod 644 a/rootfs/hermit/app
    chmod 600 a/rootfs/hermit/hermit-loader
    fails "'/hermit/hermit-loader' can be read by its owner only"
}

@test "both may be wrapped in gzip" {
    # Long enough to be worth looking into.
    truncate -s 1M a/rootfs/hermit/app
    gzip -n a/rootfs/hermit/app a/rootfs/hermit/hermit-loader
    mv a/rootfs/hermit/app.gz a/rootfs/hermit/app
    mv a/rootfs/hermit/hermit-loader.gz a/rootfs/hermit/hermit-loader
    boots
    ended 0
    said 'module of 1048576 bytes, 7fELF'
}

@test "an application larger than half of the memory is refused" {
    truncate -s 40M a/rootfs/hermit/app
    settings '.memory_mib = 64'
    fails "'/hermit/app' has 40960 KiB"
}

@test "both may be volumes, and are no disks then" {
    install -D -m 644 "$GUESTS/application.hermit" there/app
    install -D -m 644 "$GUESTS/loader.multiboot" there/loader
    config a '.mounts = [{destination: "/v/app", type: "bind", source: "\($d)/there/app", options: ["rbind"]},
        {destination: "/v/hermit-loader", type: "bind", source: "\($d)/there/loader", options: ["rbind"]}]' \
        --arg d "$BATS_TEST_TMPDIR"
    starts /v/app stay
    create a
    runuk start a
    prints a "module of $(size) bytes"
    run runuk exec a :info
    said 'image: /v/app, booted by /v/hermit-loader'
    said_not 'block'
    runuk kill a KILL
    becomes a stopped
    runuk delete a
}

@test "what create has judged is what boots, whatever the names are by then" {
    starts /hermit/app one
    create a
    rm a/rootfs/hermit/app
    echo other >a/rootfs/hermit/hermit-loader.new
    mv a/rootfs/hermit/hermit-loader.new a/rootfs/hermit/hermit-loader
    runuk start a
    prints a "module of $(size) bytes"
    becomes a stopped
    runuk delete a
}

@test "inspect shows both, of a bundle, a directory and a file" {
    starts /hermit/app one
    runuk inspect --json a >report.json
    jq -e '.runs == "unikernel" and .choice == {path: "/hermit/app", monitor: "qemu", kind: "multiboot"} and
        .files[0].family == "hermit" and .files[0].loader.path == "/hermit/hermit-loader" and
        (.files[0].evidence | any(.what | startswith("note HERMIT"))) and
        (.files[0].loader.evidence | any(.what == "text \"[LOADER]\"")) and
        (.commandLine | endswith(" -- one"))' report.json || { cat report.json; false; }
    run runuk inspect a
    ended 0
    said '  loader: /hermit/hermit-loader'
    runuk inspect --json a/rootfs/hermit >report.json
    jq -e '.files[0].loader.path == "a/rootfs/hermit/hermit-loader" and .files[1].obstacle != null and
        .runs == "unikernel"' report.json || { cat report.json; false; }
    runuk inspect --json a/rootfs/hermit/app >report.json
    jq -e '.runs == "unikernel"' report.json || { cat report.json; false; }
    cd a/rootfs/hermit
    runuk inspect --json app >report.json
    jq -e '.runs == "unikernel" and .files[0].loader.path == "./hermit-loader"' report.json || { cat report.json; false; }
    rm hermit-loader report.json
    run runuk inspect app
    said "in the way: an application that Hermit's loader boots"
}
