# segbroker: `make help` lists what can be made.

VERSION := 0.1.0
# How segments are made: linux (memfd) or posix (shm_open, the fallback).
SEGMENT ?= linux
# Compiler instrumentation, set by check-asan and check-tsan.
SANITIZE ?=
# What it is built for: posix, or windows (by `make windows`).
PLATFORM ?= posix

ifeq ($(SEGMENT),linux)
BUILD ?= build
else
BUILD ?= build/$(SEGMENT)
endif

PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
LIBDIR ?= $(PREFIX)/lib
# Where systemd finds units of the system.
UNITDIR ?= $(PREFIX)/lib/systemd/system
DESTDIR ?=
FUZZ_SECONDS ?= 60
# Programs that `make check` runs, e.g. TESTS=build/tests/unit/quota_test.
TESTS ?=
# Programs that it leaves out.
SKIP ?=

# V=1 shows whole commands.
ifndef V
Q := @
say = @printf '  %-5s %s\n'
else
say = @:
endif
MAKEFLAGS += --no-print-directory
ifeq ($(filter -j%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc)
endif

CPPFLAGS += -I. -Iprotocol -Iconfig -DSEGBROKER_VERSION='"$(VERSION)"'
CFLAGS ?= -O2 -g
STRICT := -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
	-Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef \
	-Wno-sign-conversion -fvisibility=hidden -fno-common \
	-fstack-protector-strong
ifdef SANITIZE
STRICT += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer
LDFLAGS += -fsanitize=$(SANITIZE)
else
CPPFLAGS += -D_FORTIFY_SOURCE=2
endif

# ---- the platform: compiler, libraries, and how its files' names end ----

ifeq ($(PLATFORM),posix)
endings := posix linux systemd
CC := gcc
CPPFLAGS += -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
STRICT += -fPIC
LDFLAGS += -Wl,-z,relro,-z,now
PROGRAM_LDFLAGS := -pie
UV_LIBS = $(shell pkg-config --libs libuv libcjson inih)
CLIENT_LIBS = $(shell pkg-config --libs libcjson) -pthread
CHECK_LIBS = $(shell pkg-config --libs check)
libraries := $(BUILD)/libsegbroker.so.0 $(BUILD)/libsegbroker.so \
	$(BUILD)/segbroker.pc
else
include packaging/windows/platform.mk
endif

# ---- sources: a platform's file is chosen by its name ----

other_endings := $(filter-out $(endings),posix linux systemd windows)
platform = $(filter-out $(foreach e,$(other_endings),%_$(e).c),$(1))
other_segment := $(filter-out segment_$(SEGMENT).c,segment_linux.c segment_posix.c)

protocol_src := $(wildcard protocol/*.c)
config_src := $(call platform,$(wildcard config/*.c))
daemon_src := $(filter-out $(addprefix daemon/,$(other_segment)),\
	$(call platform,$(wildcard daemon/*.c)))
client_src := $(call platform,$(wildcard client/*.c))
segctl_src := $(call platform,$(wildcard client/segctl/*.c))
example_src := $(call platform,$(wildcard client/examples/*.c))
support_src := $(call platform,$(wildcard tests/support/*.c))
tests_in = $(call platform,$(wildcard tests/$(1)/*_test.c tests/$(1)/*_test_*.c))
unit_src := $(call tests_in,unit)
integration_src := $(call tests_in,integration)

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
daemon_lib_obj := $(call obj,$(filter-out daemon/main.c,$(daemon_src)) \
	$(config_src) $(protocol_src))
all_obj := $(call obj,$(protocol_src) $(config_src) $(daemon_src) \
	$(client_src) $(segctl_src) $(example_src) $(support_src) $(unit_src) \
	$(integration_src))

examples := $(patsubst client/examples/%.c,$(BUILD)/examples/%$(EXE),\
	$(example_src))
unit_tests := $(patsubst %.c,$(BUILD)/%$(EXE),$(unit_src))
integration_tests := $(patsubst %.c,$(BUILD)/%$(EXE),$(integration_src))

fuzz_src := $(wildcard tests/fuzz/*_fuzz.c)
fuzzers := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz/%,$(fuzz_src))
scripts := $(wildcard tests/integration/*_test.sh tests/integration/*_test.py)
c_files = $(shell git ls-files '*.[ch]' 2>/dev/null || find . -name '*.[ch]')

build_deps := gcc libc6-dev make pkg-config libuv1-dev libcjson-dev \
	libinih-dev uthash-dev
check_deps := $(build_deps) g++ check libsubunit-dev python3 util-linux
fuzz_deps := $(build_deps) clang libclang-rt-14-dev
tidy_deps := $(check_deps) clang clang-tidy clang-format shellcheck

.PHONY: all demo check check-asan check-tsan fuzz format tidy install man \
	deps deps-check deps-fuzz deps-tidy help clean tests FORCE
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

# Tests see what they test; examples and segctl only the public header.
$(call obj,$(unit_src)): CPPFLAGS += -Idaemon
$(call obj,$(segctl_src) $(example_src) $(support_src) $(integration_src)): \
	CPPFLAGS += -Iclient -Itests/support

# Programs that were written for Windows.
$(call obj,$(filter client/examples/filemapping_%,$(example_src))): \
	CPPFLAGS += -DSEGB_WIN32_NAMES

# ---- products ----

all: $(BUILD)/segbrokerd$(EXE) $(BUILD)/segctl$(EXE) $(libraries) \
	$(BUILD)/libsegbroker.a $(examples)

# The compiler finds headers in the packages: install them first.
$(all_obj): | deps
ifeq ($(PLATFORM),posix)
deps:
	@packaging/install-deps $(build_deps)
deps-check:
	@packaging/install-deps $(check_deps)
endif
deps-fuzz:
	@packaging/install-deps $(fuzz_deps)
deps-tidy:
	@packaging/install-deps $(tidy_deps)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(CPPFLAGS) $(STRICT) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/segbrokerd$(EXE): $(call obj,daemon/main.c) $(daemon_lib_obj) \
		$(resources)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(PROGRAM_LDFLAGS) -o $@ $^ $(UV_LIBS)

$(BUILD)/libsegbroker.so.0: $(call obj,$(client_src) $(protocol_src)) \
		client/libsegbroker.map
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,libsegbroker.so.0 \
		-Wl,-z,nodelete \
		-Wl,--version-script=client/libsegbroker.map -o $@ \
		$(filter %.o,$^) $(CLIENT_LIBS)

$(BUILD)/libsegbroker.so: $(BUILD)/libsegbroker.so.0
	$(Q)ln -sf $(<F) $@

$(BUILD)/libsegbroker.a: $(call obj,$(client_src) $(protocol_src))
	$(say) AR $@
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/segctl$(EXE): $(call obj,$(segctl_src)) $(BUILD)/libsegbroker.a
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(PROGRAM_LDFLAGS) -o $@ $^ $(CLIENT_LIBS)

$(BUILD)/examples/%$(EXE): $(BUILD)/obj/client/examples/%.o \
		$(BUILD)/libsegbroker.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(PROGRAM_LDFLAGS) -o $@ $^ $(CLIENT_LIBS)

# Made anew each time: PREFIX may differ from the last one.
$(BUILD)/segbroker.pc: packaging/segbroker.pc.in FORCE
	@mkdir -p $(@D)
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' \
		-e 's|@VERSION@|$(VERSION)|' $< > $@

# ---- tests ----

$(unit_tests): $(BUILD)/%$(EXE): $(BUILD)/obj/%.o \
		$(call obj,tests/support/runner.c) $(daemon_lib_obj)
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(PROGRAM_LDFLAGS) -o $@ $^ \
		$(CHECK_LIBS) $(UV_LIBS)

$(integration_tests): $(BUILD)/%$(EXE): $(BUILD)/obj/%.o \
		$(call obj,$(support_src)) $(BUILD)/libsegbroker.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(PROGRAM_LDFLAGS) -o $@ $^ \
		$(CHECK_LIBS) $(CLIENT_LIBS)

# The one part of the library that is tested by itself.
$(BUILD)/tests/unit/filemapping_name_test$(EXE): \
		$(call obj,client/filemapping_name.c)

tests: all $(unit_tests) $(integration_tests)

$(call obj,$(support_src) $(unit_src) $(integration_src)): | deps-check

check: deps-check tests
	$(Q)BUILD=$(BUILD) SEGMENT=$(SEGMENT) tests/run \
		$(filter-out $(SKIP),$(or $(TESTS),$(unit_tests) \
			$(integration_tests) $(scripts)))

# Check's fork mode would hide leaks and races from the sanitizers.
check-asan:
	$(Q)$(MAKE) check BUILD=build/asan SANITIZE=address,undefined \
		CFLAGS='-O1 -g -fno-sanitize-recover=all' CK_FORK=no \
		SEGBROKER_QUICK=1 UBSAN_OPTIONS=print_stacktrace=1
# segctl has one thread, and the thread sanitizer keeps signals from ppoll.
check-tsan:
	$(Q)$(MAKE) check BUILD=build/tsan SANITIZE=thread CFLAGS='-O1 -g' \
		SKIP=tests/integration/segctl_test.sh \
		CK_FORK=no SEGBROKER_QUICK=1 TSAN_OPTIONS=halt_on_error=1

$(BUILD)/fuzz/%_fuzz: tests/fuzz/%_fuzz.c $(protocol_src) $(config_src) \
		$(wildcard protocol/*.h config/*.h) | deps-fuzz
	@mkdir -p $(@D)
	$(say) FUZZ $@
	$(Q)clang $(CPPFLAGS) -std=c11 -O1 -g \
		-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
		-o $@ $< $(protocol_src) $(config_src) -lcjson -linih

fuzz: $(fuzzers)
	$(Q)tests/fuzz/run $(FUZZ_SECONDS) $(BUILD)/fuzz $(fuzzers)

demo: all
	$(Q)BUILD=$(BUILD) FILE='$(FILE)' client/examples/demo.sh

# ---- care ----

format: | deps-tidy
	$(Q)clang-format -i $(c_files)

tidy: all | deps-tidy
	$(Q)BUILD=$(BUILD) tests/tidy $(CPPFLAGS) -std=c11

# The units say where things are; packaging/systemd has them for /usr.
install_unit = sed -e 's|/usr/sbin/|$(PREFIX)/sbin/|' \
	-e 's| /etc/segbroker/| $(SYSCONFDIR)/segbroker/|' \
	packaging/systemd/$(1) > $(DESTDIR)$(2) && chmod 644 $(DESTDIR)$(2)
user_units := $(PREFIX)/lib/systemd/user

install: all $(if $(wildcard packaging/man),man)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin \
		$(DESTDIR)$(PREFIX)/include $(DESTDIR)$(LIBDIR)/pkgconfig \
		$(DESTDIR)$(UNITDIR) $(DESTDIR)$(user_units) \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d \
		$(DESTDIR)$(PREFIX)/lib/tmpfiles.d \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions \
		$(DESTDIR)$(SYSCONFDIR)/segbroker/conf.d
	install -m 755 $(BUILD)/segbrokerd $(DESTDIR)$(PREFIX)/sbin
	install -m 755 $(BUILD)/segctl $(DESTDIR)$(PREFIX)/bin
	install -m 644 client/segbroker.h client/filemapping.h \
		$(DESTDIR)$(PREFIX)/include
	install -m 755 $(BUILD)/libsegbroker.so.0 $(DESTDIR)$(LIBDIR)
	ln -sf libsegbroker.so.0 $(DESTDIR)$(LIBDIR)/libsegbroker.so
	install -m 644 $(BUILD)/libsegbroker.a $(DESTDIR)$(LIBDIR)
	install -m 644 $(BUILD)/segbroker.pc $(DESTDIR)$(LIBDIR)/pkgconfig
	test -e $(DESTDIR)$(SYSCONFDIR)/segbroker/segbroker.conf || \
		install -m 644 config/segbroker.conf \
			$(DESTDIR)$(SYSCONFDIR)/segbroker
	$(call install_unit,segbroker.service,$(UNITDIR)/segbroker.service)
	$(call install_unit,segbroker.socket,$(UNITDIR)/segbroker.socket)
	$(call install_unit,user/segbroker.service,$(user_units)/segbroker.service)
	$(call install_unit,user/segbroker.socket,$(user_units)/segbroker.socket)
	install -m 644 packaging/systemd/segbroker.sysusers \
		$(DESTDIR)$(PREFIX)/lib/sysusers.d/segbroker.conf
	install -m 644 packaging/systemd/segbroker.tmpfiles \
		$(DESTDIR)$(PREFIX)/lib/tmpfiles.d/segbroker.conf
	install -m 644 packaging/completions/segctl.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/segctl
	for page in $(BUILD)/man/*.[1-8]; do \
		test -e "$$page" || continue; \
		section=$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}; \
		install -d "$$section" && install -m 644 "$$page" "$$section" || \
			exit; \
	done

clean:
	rm -rf build

help:
	@echo 'make demo            install what is missing, build, show it work'
	@echo '     [FILE=PATH]     ... with that file'
	@echo 'make check           install what is missing, build, run all tests'
	@echo '     [TESTS=...]     ... only these programs'
	@echo 'make [all]           build daemon, segctl, library and examples'
	@echo 'make check-asan      the tests under address and undefined sanitizers'
	@echo 'make check-tsan      the tests under the thread sanitizer'
	@echo 'make fuzz            fuzz frame, message and config'
	@echo '     [FUZZ_SECONDS=60]  ... each so long'
	@echo 'make format          lay all C files out'
	@echo 'make tidy            linters, include directions, exported names'
	@echo 'make man             the man pages, into build/man/; then install has them'
	@echo 'make install         [PREFIX=/usr/local] [SYSCONFDIR=/etc] [DESTDIR=]'
	@echo '                     [LIBDIR=/usr/local/lib] [UNITDIR=...]'
	@echo 'make deb             Debian packages, into build/packages/'
	@echo 'make rpm             RPM packages, into build/packages/'
	@echo 'make check-system    those Debian packages in a booted systemd (root)'
	@echo 'make check-kernel    the segment, lifetime and identity tests on Linux 6.1'
	@echo 'make bench           how long calls take, beside the kernel alone'
	@echo '     [PEERS=1]       ... and beside other programs'
	@echo 'make bench-gate      hold what a request takes against tests/bench/limits'
	@echo 'make bench-plot      draw what that measured, as SVG'
	@echo 'make windows         all of it for Windows, cross-built, into build/windows/'
	@echo 'make check-windows   its tests, under Wine'
	@echo 'make msi             the installer for Windows'
	@echo 'make deps            install the packages that the build needs'
	@echo 'make clean           remove build/'
	@echo 'SEGMENT=posix        with any: segments by shm_open, the fallback'
	@echo 'V=1                  with any: show whole commands'

include packaging/man/man.mk
include packaging/package.mk
include packaging/windows/windows.mk
include tests/kernel/kernel.mk
include tests/bench/bench.mk
-include $(all_obj:.o=.d)
