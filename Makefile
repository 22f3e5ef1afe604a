# runuk: one hand-written Makefile. `make help` lists the targets.

VERSION    := 0.1.0
COMMIT     := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
PREFIX     ?= /usr/local
BINDIR     ?= $(PREFIX)/bin
LIBEXECDIR ?= $(PREFIX)/libexec/runuk
SYSCONFDIR ?= /etc/runuk
DESTDIR    ?=

CC         ?= gcc
PKG_CONFIG ?= pkg-config
SAN        ?= 0
B          := $(if $(filter 1,$(SAN)),build-san,build)

LIBS_USED := jansson libnl-route-3.0 libnl-3.0 libcap
WARN      := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla -Wcast-qual \
             -Wwrite-strings -Werror
HARDEN    := -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fno-common -fstack-clash-protection -fcf-protection
CFLAGS    ?= -O2 -g
COMMON     = -std=gnu11 -D_GNU_SOURCE -I. $(WARN) -MMD -MP

ifeq ($(SAN),1)
# The sanitized build is dynamic: ASan has no static form. The monitors keep their own static build (see there).
SANFLAGS   := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
MAINFLAGS   = $(CFLAGS) $(COMMON) -fPIE $(SANFLAGS)
MAINLINK    = -pie $(SANFLAGS) $(shell $(PKG_CONFIG) --libs $(LIBS_USED))
else
MAINFLAGS   = $(CFLAGS) $(COMMON) -fPIE $(HARDEN)
# Static: the dynamic loader and six libraries would cost more than a whole container start (docs/architecture.md).
MAINLINK    = -static-pie -Wl,-z,relro,-z,now $(shell $(PKG_CONFIG) --static --libs $(LIBS_USED))
endif

DEFS := -DRUNUK_VERSION='"$(VERSION)"' -DRUNUK_COMMIT='"$(COMMIT)"' -DRUNUK_LIBEXECDIR='"$(LIBEXECDIR)"' \
        -DRUNUK_SYSCONFDIR='"$(SYSCONFDIR)"'

# --- runuk itself -------------------------------------------------------------------------------------------------------

RUNUK_OBJS := \
	runuk.o \
	lib/argv.o \
	lib/err.o \
	lib/solo5.o \
	netplumb/survey.o \
	sandbox/cgroup.o

# --- our monitors: static-pie, libc and the libc-only part of lib ------------------------------------------------------------

MONITOR_LIB_OBJS := \
	lib/err.o \
	lib/solo5.o

SPT_OBJS :=

HVT_OBJS :=

.PHONY: all
all: $(B)/runuk

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(MAINFLAGS) $(DEFS) -c $< -o $@

$(B)/runuk: $(addprefix $(B)/,$(RUNUK_OBJS))
	$(CC) $(MAINFLAGS) $^ -o $@ $(MAINLINK)

.PHONY: clean
clean:
	rm -rf build build-san

-include $(shell find $(B) -name '*.d' 2>/dev/null)
