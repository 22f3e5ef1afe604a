# runuk: one hand-written Makefile. `make help` lists the targets.

VERSION    := 0.1.0
COMMIT     := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec/runuk
MANDIR     ?= $(PREFIX)/share/man
SYSCONFDIR ?= /etc/runuk
DESTDIR    ?=

ifeq ($(origin CC),default)
CC := gcc
endif
PKG_CONFIG ?= pkg-config
SAN        ?= 0
V          ?=
B          := $(if $(filter 1,$(SAN)),build-san,build)

# One line per file that is made; V=1 shows the commands.
ifeq ($(V),)
.SILENT:
endif
SAY = echo "  $(1) $@";

LIBS_USED := jansson libnl-3.0 libcap zlib
WARN      := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla -Wcast-qual \
             -Wwrite-strings -Werror
HARDEN    := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fno-common -fstack-clash-protection -fcf-protection
CFLAGS    ?= -O2 -g
COMMON     = -std=gnu11 -D_GNU_SOURCE -I. $(WARN) -MMD -MP

ifeq ($(SAN),1)
# The sanitized build is dynamic: ASan has no static form. The monitors keep their own static build (see there).
SANFLAGS   := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
MAINFLAGS   = $(CFLAGS) $(COMMON) -fPIE $(SANFLAGS)
MAINLINK    = -pie $(SANFLAGS) $(shell $(PKG_CONFIG) --libs $(LIBS_USED)) -lm
else
MAINFLAGS   = $(CFLAGS) $(COMMON) -fPIE $(HARDEN)
# Static: the dynamic loader and its libraries would cost more than a whole container start (docs/architecture.md).
# libnl can look up names, for which static linking draws warnings; runuk never does (netplumb/names.c).
NO_NAMES    := -Wl,--wrap=getaddrinfo,--wrap=getprotobyname,--wrap=getprotobynumber
MAINLINK    = -static-pie -Wl,-z,relro,-z,now $(NO_NAMES) $(shell $(PKG_CONFIG) --static --libs $(LIBS_USED)) -lm
endif

DEFS := -DRUNUK_VERSION='"$(VERSION)"' -DRUNUK_COMMIT='"$(COMMIT)"' -DRUNUK_LIBEXECDIR='"$(LIBEXECDIR)"' \
        -DRUNUK_SYSCONFDIR='"$(SYSCONFDIR)"'

# --- runuk itself -------------------------------------------------------------------------------------------------------

RUNUK_OBJS := \
	runuk.o \
	bundle/boot.o \
	bundle/boot/detect.o \
	bundle/boot/disk.o \
	bundle/boot/efi.o \
	bundle/boot/linux.o \
	bundle/boot/multiboot.o \
	bundle/boot/xen.o \
	bundle/elf.o \
	bundle/family/family.o \
	bundle/family/generic.o \
	bundle/family/hermit.o \
	bundle/family/includeos.o \
	bundle/family/linux.o \
	bundle/family/linux_tell.o \
	bundle/family/mewz.o \
	bundle/family/mirage.o \
	bundle/family/nanos.o \
	bundle/family/osv.o \
	bundle/family/quote.o \
	bundle/family/rumprun.o \
	bundle/family/solo5.o \
	bundle/family/solo5_virtio.o \
	bundle/family/toro.o \
	bundle/family/unikraft.o \
	bundle/family/words.o \
	bundle/family/xen.o \
	bundle/files.o \
	bundle/fill.o \
	bundle/gzip.o \
	bundle/hooks.o \
	bundle/image.o \
	bundle/judge.o \
	bundle/loader.o \
	bundle/resources.o \
	bundle/spec.o \
	bundle/spec_linux.o \
	bundle/spec_process.o \
	bundle/spec_scheduler.o \
	config/annotations.o \
	config/flags.o \
	config/global.o \
	config/line.o \
	config/settings.o \
	config/urunc.o \
	config/words.o \
	hypervisor/image_place.o \
	hypervisor/kvm.o \
	hypervisor/loader_file.o \
	hypervisor/monitor.o \
	hypervisor/qemu.o \
	hypervisor/qemu_files.o \
	hypervisor/solo5_argv.o \
	lib/argv.o \
	lib/err.o \
	lib/fd.o \
	lib/figures.o \
	lib/json.o \
	lib/log.o \
	lib/message.o \
	lib/process.o \
	lib/solo5.o \
	lifecycle/apart.o \
	lifecycle/call.o \
	lifecycle/create.o \
	lifecycle/delegate.o \
	lifecycle/delete.o \
	lifecycle/disk.o \
	lifecycle/events.o \
	lifecycle/exec.o \
	lifecycle/features.o \
	lifecycle/figures.o \
	lifecycle/hooks.o \
	lifecycle/inspect.o \
	lifecycle/init.o \
	lifecycle/kill.o \
	lifecycle/list.o \
	lifecycle/look.o \
	lifecycle/look_guest.o \
	lifecycle/look_text.o \
	lifecycle/network.o \
	lifecycle/pack.o \
	lifecycle/pause.o \
	lifecycle/plan.o \
	lifecycle/ps.o \
	lifecycle/record.o \
	lifecycle/record_net.o \
	lifecycle/relay.o \
	lifecycle/resolvers.o \
	lifecycle/root.o \
	lifecycle/run.o \
	lifecycle/start.o \
	lifecycle/state.o \
	lifecycle/shares.o \
	lifecycle/storage.o \
	lifecycle/store.o \
	lifecycle/unit.o \
	lifecycle/update.o \
	lifecycle/volumes.o \
	lifecycle/watch.o \
	lifecycle/wishes.o \
	netplumb/bridge.o \
	netplumb/bridge_stack.o \
	netplumb/ingress.o \
	netplumb/names.o \
	netplumb/none.o \
	netplumb/redirect.o \
	netplumb/relay.o \
	netplumb/relay/resolver.o \
	netplumb/session.o \
	netplumb/survey.o \
	netplumb/tap.o \
	netplumb/wire.o \
	sandbox/cgroup.o \
	sandbox/cgroup_devices.o \
	sandbox/cgroup_freeze.o \
	sandbox/cgroup_more.o \
	sandbox/cgroup_remove.o \
	sandbox/cgroup_stats.o \
	sandbox/cgroup_unit.o \
	sandbox/cgroup_v1.o \
	sandbox/cgroup_v2.o \
	sandbox/confine.o \
	sandbox/console.o \
	sandbox/label.o \
	sandbox/namespaces.o \
	sandbox/rlimits.o \
	sandbox/root.o \
	sandbox/scheduler.o \
	sandbox/share.o \
	sandbox/sysctl.o \
	sandbox/systemd/annotation.o \
	sandbox/systemd/call.o \
	sandbox/systemd/limits.o \
	sandbox/systemd/place.o \
	sandbox/userns.o

# --- our monitors: static-pie, libc and the libc-only part of lib ------------------------------------------------------------

# Objects of their own, in $(B)/monitor: they are small, static and without a sanitizer's run time in every build.
MONITOR_COMMON_OBJS := \
	lib/bpf.o \
	lib/err.o \
	lib/solo5.o \
	hypervisor/solo5/attach.o \
	hypervisor/solo5/load.o \
	hypervisor/solo5/signals.o \
	hypervisor/solo5/tender.o

SPT_OBJS := $(MONITOR_COMMON_OBJS) \
	hypervisor/solo5/spt.o \
	hypervisor/solo5/spt_filter.o \
	hypervisor/solo5/spt_x86_64.o

# Built as the monitors are: it faces the guest as they do.
RELAY_OBJS := \
	lib/bpf.o \
	lib/err.o \
	netplumb/relay/confine.o \
	netplumb/relay/dhcp.o \
	netplumb/relay/dns.o \
	netplumb/relay/frame.o \
	netplumb/relay/options.o \
	netplumb/relay/relay.o \
	netplumb/relay/resolver.o

HVT_OBJS := $(MONITOR_COMMON_OBJS) \
	hypervisor/solo5/hvt.o \
	hypervisor/solo5/hvt_call.o \
	hypervisor/solo5/hvt_filter.o \
	hypervisor/solo5/hvt_mem.o \
	hypervisor/solo5/hvt_probe.o \
	hypervisor/solo5/hvt_probe_x86_64.o \
	hypervisor/solo5/hvt_run.o \
	hypervisor/solo5/hvt_x86_64.o \
	lib/figures.o

MONITOR_SAN   := $(if $(filter 1,$(SAN)),-fsanitize=undefined -fsanitize-undefined-trap-on-error)
MONITOR_FLAGS  = $(CFLAGS) $(COMMON) -fPIE $(HARDEN) -ffunction-sections -fdata-sections $(MONITOR_SAN)
MONITOR_LINK  := -static-pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections

.PHONY: all monitors
all: monitors
monitors: $(B)/runuk-spt $(B)/runuk-hvt $(B)/runuk-relay

$(B)/monitor/%.o: %.c
	@mkdir -p $(@D)
	$(call SAY,CC  )$(CC) $(MONITOR_FLAGS) $(DEFS) -c $< -o $@

$(B)/monitor/%.o: %.S
	@mkdir -p $(@D)
	$(call SAY,AS  )$(CC) $(MONITOR_FLAGS) -c $< -o $@

$(B)/runuk-spt: $(addprefix $(B)/monitor/,$(SPT_OBJS))
	$(call SAY,LINK)$(CC) $(MONITOR_FLAGS) $^ -o $@ $(MONITOR_LINK)

$(B)/runuk-hvt: $(addprefix $(B)/monitor/,$(HVT_OBJS))
	$(call SAY,LINK)$(CC) $(MONITOR_FLAGS) $^ -o $@ $(MONITOR_LINK)

$(B)/runuk-relay: $(addprefix $(B)/monitor/,$(RELAY_OBJS))
	$(call SAY,LINK)$(CC) $(MONITOR_FLAGS) $^ -o $@ $(MONITOR_LINK)

# --- runuk-qemu: process 1 of a container whose guest runs in QEMU -------------------------------------------------------------

QEMU_OBJS := \
	hypervisor/qemu/end.o \
	hypervisor/qemu/filter.o \
	hypervisor/qemu/input.o \
	hypervisor/qemu/qmp.o \
	hypervisor/qemu/stream.o \
	hypervisor/qemu/supervisor.o \
	lib/bpf.o \
	lib/err.o

monitors: $(B)/runuk-qemu

$(B)/runuk-qemu: $(addprefix $(B)/monitor/,$(QEMU_OBJS))
	$(call SAY,LINK)$(CC) $(MONITOR_FLAGS) $^ -o $@ $(MONITOR_LINK) $(shell $(PKG_CONFIG) --static --libs jansson)

# --- runuk-loader.elf: what QEMU boots so that it boots a guest; freestanding --------------------------------------------------

LOADER_OBJS := \
	hypervisor/qemu/loader/boot.o \
	hypervisor/qemu/loader/console.o \
	hypervisor/qemu/loader/image.o \
	hypervisor/qemu/loader/main.o \
	hypervisor/qemu/loader/place.o \
	hypervisor/qemu/loader/start.o

# It runs as a copy at another address (-fPIE, no tables of addresses), before anybody has set up SSE.
LOADER_FLAGS := -O2 -g -std=gnu11 -ffreestanding -fPIE -fvisibility=hidden -mgeneral-regs-only -mno-red-zone -fno-jump-tables \
                -fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -fno-common $(WARN) -MMD -MP
# One segment that can be written and executed is what it wants; newer linkers warn.
LOADER_RWX   := $(shell ld --help 2>/dev/null | grep -q -e --no-warn-rwx-segments && echo -Wl,--no-warn-rwx-segments)
LOADER_LINK  := -nostdlib -static -Wl,--build-id=none -Wl,-z,max-page-size=4096 $(LOADER_RWX)

monitors: $(B)/runuk-loader.elf

$(B)/loader/%.o: %.c
	@mkdir -p $(@D)
	$(call SAY,CC  )$(CC) $(LOADER_FLAGS) -c $< -o $@

$(B)/loader/%.o: %.S
	@mkdir -p $(@D)
	$(call SAY,AS  )$(CC) $(LOADER_FLAGS) -c $< -o $@

$(B)/runuk-loader.elf: $(addprefix $(B)/loader/,$(LOADER_OBJS)) hypervisor/qemu/loader/loader.ld
	$(call SAY,LINK)$(CC) $(LOADER_LINK) -Wl,-T,$(filter %.ld,$^) $(filter %.o,$^) -o $@

# --- runuk-pack: packs the container's files; static, with what it needs of libarchive ------------------------------------------

PACK_OBJS := \
	bundle/pack/cache.o \
	bundle/pack/confine.o \
	bundle/pack/content.o \
	bundle/pack/cpio.o \
	bundle/pack/iso.o \
	bundle/pack/iso_numbers.o \
	bundle/pack/main.o \
	bundle/pack/modules.o \
	bundle/pack/tree.o \
	lib/bpf.o \
	lib/depmod.o \
	lib/err.o \
	lib/fd.o

monitors: $(B)/runuk-pack

# Not all that libarchive could be made of: the writer of cpio needs no other library.
$(B)/runuk-pack: $(addprefix $(B)/monitor/,$(PACK_OBJS))
	$(call SAY,LINK)$(CC) $(MONITOR_FLAGS) $^ -o $@ $(MONITOR_LINK) -larchive

# --- runuk-init: process 1 of a Linux guest that gets the container's files ------------------------------------------------------

INIT_OBJS := \
	hypervisor/qemu/init/config.o \
	hypervisor/qemu/init/input.o \
	hypervisor/qemu/init/main.o \
	hypervisor/qemu/init/modules.o \
	hypervisor/qemu/init/mounts.o \
	hypervisor/qemu/init/network.o \
	hypervisor/qemu/init/ports.o \
	hypervisor/qemu/init/root.o \
	hypervisor/qemu/init/run.o \
	lib/depmod.o

monitors: $(B)/runuk-init

$(B)/runuk-init: $(addprefix $(B)/monitor/,$(INIT_OBJS))
	$(call SAY,LINK)$(CC) $(MONITOR_FLAGS) $^ -o $@ -s $(MONITOR_LINK)

# --- runuk-scope: dynamic, for libsystemd, which has no static form -----------------------------------------------------------

# Objects of their own, in $(B)/scope. It runs only for --systemd-cgroup.
SCOPE_OBJS := \
	lib/err.o \
	sandbox/systemd/scope.o

SCOPE_FLAGS  = $(CFLAGS) $(COMMON) -fPIE $(if $(filter 1,$(SAN)),$(SANFLAGS),$(HARDEN)) $(shell $(PKG_CONFIG) --cflags libsystemd)
SCOPE_LINK   = -pie -Wl,-z,relro,-z,now,-z,noexecstack $(shell $(PKG_CONFIG) --libs libsystemd)

all: $(B)/runuk-scope

$(B)/scope/%.o: %.c
	@mkdir -p $(@D)
	$(call SAY,CC  )$(CC) $(SCOPE_FLAGS) $(DEFS) -c $< -o $@

$(B)/runuk-scope: $(addprefix $(B)/scope/,$(SCOPE_OBJS))
	$(call SAY,LINK)$(CC) $(SCOPE_FLAGS) $^ -o $@ $(SCOPE_LINK)

# --- unit tests and fuzz targets ------------------------------------------------------------------------------------------------

# Each is tests/unit/NAME.c, a program that prints TAP and ends with 0 when all is well.
UNIT_TESTS := annotations boot bpf cache config elf family figures files filters guest hvt_call image lib load loader mirage monitor pack qemu recognise record relay resolvers solo5 spec systemd urunc
# Each is tests/fuzz/NAME.c with LLVMFuzzerTestOneInput, over the sources of the unit test of the same name.
FUZZ_TESTS   := annotations boot cache elf family guest image loader pack record relay solo5 spec systemd urunc
FUZZ_SOURCES  = $(patsubst %.o,%.c,$(filter-out tests/unit/% tests/fuzz/$(1).o,$(UNIT_OBJS_$(1))))
FUZZ_SECONDS ?= 60

# The cgroup code, and the readers of config.json, with what they need.
CGROUP_OBJS := $(filter sandbox/cgroup% sandbox/systemd/%,$(RUNUK_OBJS)) \
	lib/argv.o \
	lib/err.o \
	lib/fd.o \
	lib/process.o

# What tells by its bytes how a file boots.
BOOT_OBJS := $(filter bundle/boot.o bundle/boot/% bundle/elf.o,$(RUNUK_OBJS))

# What recognises images and tells guests their arguments.
FAMILY_OBJS := $(filter bundle/boot.o bundle/elf.o bundle/family/% bundle/fill.o,$(RUNUK_OBJS)) \
	lib/argv.o \
	lib/err.o

SPEC_OBJS := $(filter bundle/hooks.o bundle/resources.o bundle/spec%,$(RUNUK_OBJS)) \
	lib/argv.o \
	lib/err.o \
	lib/fd.o \
	lib/json.o

UNIT_OBJS_boot := $(BOOT_OBJS) \
	tests/fuzz/boot.o \
	tests/unit/boot.o

UNIT_OBJS_annotations := \
	config/annotations.o \
	config/words.o \
	lib/err.o \
	tests/fuzz/annotations.o \
	tests/unit/annotations.o

UNIT_OBJS_bpf := \
	lib/bpf.o \
	lib/err.o \
	tests/unit/bpf.o

UNIT_OBJS_cache := \
	bundle/pack/cache.o \
	lib/err.o \
	lib/fd.o \
	tests/fuzz/cache.o \
	tests/unit/cache.o

UNIT_OBJS_config := \
	config/annotations.o \
	config/flags.o \
	config/global.o \
	config/line.o \
	config/settings.o \
	config/words.o \
	lib/argv.o \
	lib/err.o \
	lib/fd.o \
	lib/json.o \
	tests/unit/config.o

UNIT_OBJS_elf := \
	bundle/elf.o \
	tests/fuzz/elf.o \
	tests/unit/elf.o

UNIT_OBJS_figures := \
	lib/err.o \
	lib/figures.o \
	tests/unit/figures.o

UNIT_OBJS_files := $(SPEC_OBJS) \
	bundle/files.o \
	tests/unit/files.o

UNIT_OBJS_family := $(FAMILY_OBJS) \
	tests/fuzz/family.o \
	tests/fuzz/family_guests.o \
	tests/unit/family.o \
	tests/unit/family_lines.o \
	tests/unit/family_lines_more.o

UNIT_OBJS_filters := \
	bundle/pack/confine.o \
	lib/bpf.o \
	hypervisor/solo5/hvt_filter.o \
	hypervisor/solo5/spt_filter.o \
	lib/err.o \
	tests/unit/filters.o
# It looks at the filters instead of being bound by them.
$(B)/unit/filters: MAINLINK += -Wl,--wrap=bpf_arm

UNIT_OBJS_guest := $(FAMILY_OBJS) \
	tests/fuzz/guest.o \
	tests/unit/guest.o

UNIT_OBJS_hvt_call := \
	hypervisor/solo5/hvt_call.o \
	hypervisor/solo5/hvt_mem.o \
	hypervisor/solo5/load.o \
	lib/err.o \
	lib/solo5.o \
	tests/unit/hvt_call.o

UNIT_OBJS_image := $(BOOT_OBJS) \
	$(filter bundle/family/%,$(RUNUK_OBJS)) \
	bundle/fill.o \
	bundle/gzip.o \
	bundle/judge.o \
	lib/argv.o \
	lib/err.o \
	lib/fd.o \
	lib/solo5.o \
	tests/fuzz/image.o \
	tests/unit/image.o

UNIT_OBJS_lib := \
	lib/argv.o \
	lib/err.o \
	lib/fd.o \
	lib/json.o \
	lib/message.o \
	lib/process.o \
	tests/unit/lib.o

UNIT_OBJS_load := \
	hypervisor/solo5/load.o \
	lib/err.o \
	lib/solo5.o \
	tests/unit/load.o

UNIT_OBJS_loader := \
	hypervisor/qemu/loader/image.o \
	hypervisor/qemu/loader/place.o \
	tests/fuzz/loader.o \
	tests/unit/loader.o

UNIT_OBJS_mirage := $(FAMILY_OBJS) \
	tests/unit/mirage.o

UNIT_OBJS_monitor := \
	config/annotations.o \
	config/line.o \
	config/settings.o \
	config/words.o \
	bundle/boot.o \
	hypervisor/image_place.o \
	hypervisor/kvm.o \
	hypervisor/monitor.o \
	hypervisor/qemu.o \
	hypervisor/qemu_files.o \
	hypervisor/solo5_argv.o \
	lib/argv.o \
	lib/err.o \
	lib/fd.o \
	lib/json.o \
	lib/solo5.o \
	tests/unit/monitor.o

UNIT_OBJS_pack := \
	bundle/pack/content.o \
	bundle/pack/cpio.o \
	bundle/pack/iso.o \
	bundle/pack/iso_numbers.o \
	bundle/pack/modules.o \
	bundle/pack/tree.o \
	lib/depmod.o \
	lib/err.o \
	lib/fd.o \
	tests/fuzz/pack.o \
	tests/unit/pack.o
# Of libarchive, which reads back what was written, the readers of two formats.
$(B)/unit/pack: MAINLINK += -larchive -lz

UNIT_OBJS_qemu := \
	hypervisor/qemu/end.o \
	hypervisor/qemu/input.o \
	hypervisor/qemu/qmp.o \
	hypervisor/qemu/stream.o \
	lib/err.o \
	tests/unit/qemu.o

UNIT_OBJS_recognise := $(filter-out tests/%,$(UNIT_OBJS_image)) \
	tests/unit/recognise.o

UNIT_OBJS_record := $(CGROUP_OBJS) \
	bundle/hooks.o \
	lib/json.o \
	lifecycle/record.o \
	lifecycle/record_net.o \
	tests/fuzz/record.o \
	tests/unit/record.o

UNIT_OBJS_relay := \
	lib/err.o \
	netplumb/relay/dhcp.o \
	netplumb/relay/dns.o \
	netplumb/relay/frame.o \
	netplumb/relay/options.o \
	netplumb/relay/resolver.o \
	tests/fuzz/relay.o \
	tests/unit/relay.o

UNIT_OBJS_resolvers := \
	lib/argv.o \
	lib/err.o \
	lib/fd.o \
	lifecycle/resolvers.o \
	netplumb/relay/resolver.o \
	tests/unit/resolvers.o

UNIT_OBJS_solo5 := \
	lib/err.o \
	lib/solo5.o \
	tests/fuzz/solo5.o \
	tests/unit/solo5.o

UNIT_OBJS_spec := $(SPEC_OBJS) \
	tests/fuzz/spec.o \
	tests/unit/spec.o

UNIT_OBJS_systemd := $(CGROUP_OBJS) \
	tests/fuzz/systemd.o \
	tests/unit/systemd.o

UNIT_OBJS_urunc := \
	config/annotations.o \
	config/urunc.o \
	config/words.o \
	lib/err.o \
	tests/fuzz/urunc.o \
	tests/unit/urunc.o

.PHONY: unit
unit: $(addprefix $(B)/unit/,$(UNIT_TESTS))
	@failed=0; for t in $^; do echo "# $$t"; $$t || failed=1; done; exit $$failed

.SECONDEXPANSION:
$(addprefix $(B)/unit/,$(UNIT_TESTS)): $(B)/unit/%: $$(addprefix $(B)/,$$(UNIT_OBJS_$$*))
	@mkdir -p $(@D)
	$(call SAY,LINK)$(CC) $(MAINFLAGS) $^ -o $@ $(MAINLINK)

$(addprefix $(B)/fuzz/,$(FUZZ_TESTS)): $(B)/fuzz/%: tests/fuzz/%.c $$(call FUZZ_SOURCES,$$*)
	@mkdir -p $(@D)
	clang -g -O1 $(filter-out -MMD -MP,$(COMMON)) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	    $^ -o $@ $(shell $(PKG_CONFIG) --libs jansson libarchive zlib)

# The unit test of the same name writes its cases as first inputs, and readers of images get our guests. New inputs and crashes go below $(B)/fuzz.
.PHONY: fuzz
fuzz: $(addprefix $(B)/fuzz/,$(FUZZ_TESTS)) $(addprefix $(B)/unit/,$(FUZZ_TESTS)) guests
	@set -e; for t in $(FUZZ_TESTS); do f=$(B)/fuzz/$$t; mkdir -p $$f.seeds $$f.corpus; echo "# $$t"; \
	$(B)/unit/$$t --seeds $$f.seeds >/dev/null; \
	len=32768; case $$t in boot|elf|image) cp $(GUEST_IMAGES) $$f.seeds; len=131072 ;; esac; \
	$$f -max_total_time=$(FUZZ_SECONDS) -max_len=$$len -artifact_prefix=$$f.crash- $$f.corpus $$f.seeds; done

.PHONY: all
all: $(B)/runuk

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(call SAY,CC  )$(CC) $(MAINFLAGS) $(DEFS) -c $< -o $@

# What the names above are compiled into is compiled again when they change: `make install PREFIX=…` after `make`.
$(addprefix $(B)/,runuk.o config/global.o config/settings.o): $(B)/defs
.PHONY: FORCE
$(B)/defs: FORCE
	mkdir -p $(@D); printf '%s\n' $(DEFS) > $@.new; cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(B)/runuk: $(addprefix $(B)/,$(RUNUK_OBJS))
	$(call SAY,LINK)$(CC) $(MAINFLAGS) $^ -o $@ $(MAINLINK)

# --- guests: tiny unikernels of our own for tests and demo, NAME.hvt and NAME.spt each, and some for bare machines ------------

GUESTS := block crash dhcp dns exit forbidden front hello hog net net2 time web

# What programs link when they name it: an archive, so that none carries what it does not use.
GUEST_LIB_OBJS := \
	fcgi.o \
	http.o \
	ip.o \
	names.o \
	print.o \
	request.o \
	segment.o \
	site.o \
	start.o \
	tcp.o

# General code may use SSE, as real guests do. No host libc, no unwinding, no stack protector: nothing would serve them.
GUEST_FLAGS := -O2 -g -std=gnu11 -ffreestanding -fno-pic -mno-red-zone -fno-stack-protector -fcf-protection=none \
               -fno-asynchronous-unwind-tables -fno-common -Itests/guests $(WARN) -MMD -MP
GUEST_LINK  := -nostdlib -static -Wl,--build-id=none -Wl,-z,max-page-size=4096

GUEST_hvt   := -DGUEST_HVT
GUEST_spt   := -DGUEST_SPT
GUEST_nosse := -DGUEST_HVT -mno-sse -mgeneral-regs-only

# The same programs and two more, entered as a bare machine's boot protocols have it: NAME.multiboot (an ELF32),
# NAME.multiboot64 (an ELF64 with its addresses in the header), NAME.pvh and NAME.linux64.
GUESTS_BARE    := block dhcp dns exit files finish front hello hog loader machine net net2 time web
GUEST_BARE     := linux64 multiboot multiboot64 pvh
GUEST_BARE_LIB := bare_boot.o bare_start.o bare_transport.o bare_virtio.o
$(foreach f,$(GUEST_BARE),$(eval GUEST_$(f) := -DGUEST_BARE -DGUEST_$(shell echo $(f) | tr a-z A-Z)))

GUEST_IMAGES := $(foreach g,$(GUESTS_BARE),$(addprefix $(B)/guests/$(g).,$(GUEST_BARE))) $(B)/guests/machine.unikraft $(B)/guests/web.unikraft \
                $(foreach g,$(GUESTS),$(B)/guests/$(g).hvt $(B)/guests/$(g).spt) $(B)/guests/hello-nosse.hvt \
                $(B)/guests/application.hermit

.PHONY: guests
guests: $(GUEST_IMAGES)
all: guests

# $(1): the flavour; $(2): its binding; $(3): more members of its archive.
define GUEST_RULES
$(B)/guests/$(1)/%.o: tests/guests/%.c
	@mkdir -p $$(@D)
	$$(call SAY,CC  )$$(CC) $$(GUEST_FLAGS) $$(GUEST_$(1)) -c $$< -o $$@

$(B)/guests/$(1)/%.o: tests/guests/%.S
	@mkdir -p $$(@D)
	$$(call SAY,AS  )$$(CC) $$(GUEST_FLAGS) $$(GUEST_$(1)) -c $$< -o $$@

$(B)/guests/$(1)/libguest.a: $(addprefix $(B)/guests/$(1)/,$(GUEST_LIB_OBJS) bind_$(2).o $(3))
	rm -f $$@
	$$(AR) rcs $$@ $$^

$(B)/guests/$(1)/site.o: $(wildcard contrib/compose/lamp/site/*)

# A flavour for the hypervisor has text that can only be executed, as the reference guests have.
# On a bare machine only PVH has a note.
$(B)/guests/$(1)/guest.ld: tests/guests/$(if $(filter bare,$(2)),bare,guest).ld.in
	@mkdir -p $$(@D)
	sed -e 's/TEXT_FLAGS/$(if $(filter hvt,$(2)),1,5)/' $(if $(filter linux64 multi%,$(1)),-e '/PT_NOTE/d' -e '/pvh/d') $$< > $$@
endef
$(eval $(call GUEST_RULES,hvt,hvt))
$(eval $(call GUEST_RULES,spt,spt))
$(eval $(call GUEST_RULES,nosse,hvt))
$(foreach f,$(GUEST_BARE),$(eval $(call GUEST_RULES,$(f),bare,$(GUEST_BARE_LIB))))

GUEST_DO_LINK = $(CC) $(GUEST_LINK) -Wl,-T,$(filter %.ld,$^) $(filter %.o,$^) $(filter %.a,$^) -o $@

$(B)/guests/%.hvt: $(B)/guests/hvt/%.o $(B)/guests/hvt/libguest.a $(B)/guests/hvt/guest.ld
	$(call SAY,LINK)$(GUEST_DO_LINK)

$(B)/guests/%.spt: $(B)/guests/spt/%.o $(B)/guests/spt/libguest.a $(B)/guests/spt/guest.ld
	$(call SAY,LINK)$(GUEST_DO_LINK)

$(B)/guests/%-nosse.hvt: $(B)/guests/nosse/%.o $(B)/guests/nosse/libguest.a $(B)/guests/nosse/guest.ld
	$(call SAY,LINK)$(GUEST_DO_LINK)

$(B)/guests/%.pvh: $(B)/guests/pvh/%.o $(B)/guests/pvh/libguest.a $(B)/guests/pvh/guest.ld
	$(call SAY,LINK)$(GUEST_DO_LINK)

$(B)/guests/%.linux64: $(B)/guests/linux64/%.o $(B)/guests/linux64/libguest.a $(B)/guests/linux64/guest.ld
	$(call SAY,LINK)$(GUEST_DO_LINK)

$(B)/guests/%.multiboot64: $(B)/guests/multiboot64/%.o $(B)/guests/multiboot64/libguest.a $(B)/guests/multiboot64/guest.ld
	$(call SAY,LINK)$(GUEST_DO_LINK)

# What is taken for Unikraft's, since nobody could see of a .linux64 how it is entered.
$(B)/guests/%.unikraft: $(B)/guests/%.linux64
	objcopy --add-section .uk_bootinfo=/dev/null $< $@

# QEMU takes an ELF64 only with addresses in its header, so the container is made an ELF32.
$(B)/guests/%.multiboot: $(B)/guests/multiboot/%.o $(B)/guests/multiboot/libguest.a $(B)/guests/multiboot/guest.ld
	$(call SAY,LINK)$(GUEST_DO_LINK).64 && objcopy -S -I elf64-x86-64 -O elf32-i386 $@.64 $@ && rm $@.64

# What only has to look like an application of Hermit's, which Rust's compiler marks with an ABI of no system.
$(B)/guests/%.hermit: tests/guests/%.c
	@mkdir -p $(@D)
	$(call SAY,LINK)$(CC) $(GUEST_FLAGS) $(GUEST_LINK) $< -o $@ && printf '\377' | dd of=$@ bs=1 seek=7 conv=notrunc status=none

.SECONDARY: $(foreach f,hvt spt nosse,$(addprefix $(B)/guests/$(f)/,$(addsuffix .o,$(GUESTS)))) \
            $(foreach f,$(GUEST_BARE),$(addprefix $(B)/guests/$(f)/,$(addsuffix .o,$(GUESTS_BARE))))

# --- the cgroup code behind a command line, for tests/cgroup.bats ------------------------------------------------------------

CGROUP_DRIVER_OBJS := $(CGROUP_OBJS) \
	tests/unit/cgroup_driver.o

$(B)/unit/cgroup_driver: $(addprefix $(B)/,$(CGROUP_DRIVER_OBJS))
	@mkdir -p $(@D)
	$(call SAY,LINK)$(CC) $(MAINFLAGS) $^ -o $@ $(MAINLINK)

# --- runuk with its fault points, for tests/*-faults.bats --------------------------------------------------------------

# Only what has such points differs from $(B)/runuk.
FAULT_SOURCES := $(filter $(RUNUK_OBJS:.o=.c),$(shell grep -l 'RK_FAULT' */*.c */*/*.c))
FAULT_OBJS    := $(patsubst %.c,$(B)/faults/%.o,$(FAULT_SOURCES) lib/fault.c) \
                 $(addprefix $(B)/,$(filter-out $(FAULT_SOURCES:.c=.o),$(RUNUK_OBJS)))

$(B)/faults/%.o: %.c
	@mkdir -p $(@D)
	$(call SAY,CC  )$(CC) $(MAINFLAGS) $(DEFS) -DRK_FAULTS -c $< -o $@

$(B)/faults/runuk: $(FAULT_OBJS)
	$(call SAY,LINK)$(CC) $(MAINFLAGS) $^ -o $@ $(MAINLINK)

# --- the receiving side of --console-socket, for tests/oci-console.bats -------------------------------------------------------

CONSOLE_DRIVER_OBJS := \
	lib/err.o \
	lib/fd.o \
	lib/message.o \
	tests/unit/console_driver.o

$(B)/unit/console_driver: $(addprefix $(B)/,$(CONSOLE_DRIVER_OBJS))
	@mkdir -p $(@D)
	$(call SAY,LINK)$(CC) $(MAINFLAGS) $^ -o $@ $(MAINLINK)

# --- netplumb: libnl's headers, and the code behind a command line for tests/net-*.bats ----------------------------------

NETPLUMB_CFLAGS := $(shell $(PKG_CONFIG) --cflags libnl-3.0)
$(B)/netplumb/%.o $(B)/faults/netplumb/%.o: MAINFLAGS += $(NETPLUMB_CFLAGS)

NET_DRIVER_OBJS := \
	lib/err.o \
	netplumb/bridge.o \
	netplumb/bridge_stack.o \
	netplumb/ingress.o \
	netplumb/names.o \
	netplumb/none.o \
	netplumb/redirect.o \
	netplumb/relay.o \
	netplumb/session.o \
	netplumb/survey.o \
	netplumb/tap.o \
	netplumb/wire.o \
	tests/unit/net_answer.o \
	tests/unit/net_driver.o

$(B)/unit/net_driver: $(addprefix $(B)/,$(NET_DRIVER_OBJS))
	@mkdir -p $(@D)
	$(call SAY,LINK)$(CC) $(MAINFLAGS) $^ -o $@ $(MAINLINK)

# --- the families behind a command line: what an image is, and what its guest would be told ------------------------------------

FAMILY_DRIVER_OBJS := $(filter bundle/%,$(RUNUK_OBJS)) \
	lib/argv.o \
	lib/err.o \
	lib/fd.o \
	lib/json.o \
	lib/solo5.o \
	tests/unit/family_driver.o

$(B)/unit/family_driver: $(addprefix $(B)/,$(FAMILY_DRIVER_OBJS))
	@mkdir -p $(@D)
	$(call SAY,LINK)$(CC) $(MAINFLAGS) $^ -o $@ $(MAINLINK)

# --- lab: a virtual machine with working KVM, for the tests of runuk-hvt ---------------------------------------------------------

.PHONY: lab
lab:
	tests/lab/build

.PHONY: check-hvt
check-hvt: all lab
	RUNUK_BUILD=$(abspath $(B)) bats tests/hvt-lab.bats

# What profits from systemd, cgroup v2, AppArmor, or KVM under a dockerd: in a whole Debian machine, emulated and slow.
.PHONY: check-lab
check-lab:
	contrib/install-packages check
	$(MAKE) --no-print-directory -j2 all test-programs
	RUNUK_BUILD=$(abspath $(B)) tests/lab/debian-check --all

# --- how fast and how small: make bench, as root --------------------------------------------------------------------------

BENCH_PROGRAMS := $(addprefix $(B)/bench/,bench crowd disks floor sleeper true)

# Static, so that none of them pays for a dynamic loader.
$(B)/bench/%: contrib/bench/%.c
	@mkdir -p $(@D)
	$(call SAY,LINK)$(CC) $(CFLAGS) $(COMMON) -static $(filter %.c,$^) -o $@

$(B)/bench/bench $(B)/bench/crowd $(B)/bench/disks: contrib/bench/tools.c contrib/bench/tools.h

.PHONY: bench
bench: $(B)/runuk monitors $(B)/guests/hello.spt $(B)/guests/block.multiboot $(B)/guests/time.spt $(BENCH_PROGRAMS)
	$(B)/bench/bench $(B)
	$(B)/bench/crowd $(B)
	$(B)/bench/disks $(B)

# --- check, lint, demo --------------------------------------------------------------------------------------------------------

# All that the tests call besides what `all` builds.
.PHONY: test-programs
test-programs: $(addprefix $(B)/unit/,$(UNIT_TESTS)) $(B)/unit/cgroup_driver $(B)/unit/console_driver \
               $(B)/unit/family_driver $(B)/unit/net_driver $(B)/faults/runuk $(B)/bench/crowd $(B)/bench/disks $(B)/bench/sleeper

# Another make builds, because this one has looked for libraries before they were installed. CI also checks the sources.
.PHONY: check lint demo
check:
	contrib/install-packages check
	$(MAKE) --no-print-directory -j2 all test-programs
	RUNUK_BUILD=$(abspath $(B)) tests/run $(if $(filter true,$(CI)),tests/lint) $(addprefix $(B)/unit/,$(UNIT_TESTS)) tests/*.bats

lint:
	contrib/install-packages check
	tests/lint

demo:
	contrib/demo/demo

# --- install ------------------------------------------------------------------------------------------------------------------

LIBEXEC_PROGRAMS := runuk-spt runuk-hvt runuk-qemu runuk-init runuk-pack runuk-relay runuk-scope

.PHONY: install uninstall
install: $(addprefix $(B)/,runuk runuk-loader.elf $(LIBEXEC_PROGRAMS))
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(MANDIR)/man5
	install -m 0755 $(B)/runuk $(DESTDIR)$(BINDIR)/runuk
	install -m 0755 $(addprefix $(B)/,$(LIBEXEC_PROGRAMS)) $(DESTDIR)$(LIBEXECDIR)/
	install -m 0644 $(B)/runuk-loader.elf $(DESTDIR)$(LIBEXECDIR)/
	install -m 0644 docs/runuk.json.5 $(DESTDIR)$(MANDIR)/man5/runuk.json.5

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/runuk $(DESTDIR)$(MANDIR)/man5/runuk.json.5
	rm -f $(addprefix $(DESTDIR)$(LIBEXECDIR)/,runuk-loader.elf $(LIBEXEC_PROGRAMS))
	-rmdir --ignore-fail-on-non-empty $(DESTDIR)$(LIBEXECDIR) 2>/dev/null

.PHONY: help
help:
	echo 'make              build runuk, its monitors and the test guests into $(B)/'
	echo 'make install      PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	echo 'make demo         install what is missing, and show a unikernel under a Docker of its own'
	echo 'make check        install what is missing, and run all tests'
	echo 'make check-lab    all that makes sense with systemd, cgroup v2 and KVM together, in an emulated Debian machine'
	echo 'make unit         the unit tests; make lab: the virtual machine for the hvt tests; make check-hvt: these alone'
	echo 'make lint         layout, includes, static analysis, shell scripts'
	echo 'make fuzz         every fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS)'
	echo 'make bench        how fast and how small, against runc and a bare program'
	echo 'SAN=1             with any of them: ASan and UBSan, in build-san/'
	echo 'V=1               show the commands'

.PHONY: clean
clean:
	rm -rf build build-san

-include $(shell find $(B) -path $(B)/lab -prune -o -name '*.d' -print 2>/dev/null)
