# segbroker: `make help` lists what can be made.

VERSION := 0.1.0
# How segments are made: linux (memfd) or posix (shm_open, the fallback).
SEGMENT ?= linux
# Compiler instrumentation, set by check-asan and check-tsan.
SANITIZE ?=

ifeq ($(SEGMENT),linux)
BUILD ?= build
else
BUILD ?= build/$(SEGMENT)
endif

CC := gcc
PACKAGES := libuv libcjson inih
CPPFLAGS += -I. -Iprotocol -Iconfig -DSEGBROKER_VERSION='"$(VERSION)"' \
	-D_GNU_SOURCE -D_FILE_OFFSET_BITS=64
CFLAGS ?= -O2 -g
STRICT := -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wconversion \
	-Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 -Wundef \
	-Wno-sign-conversion -fPIC -fvisibility=hidden -fno-common \
	-fstack-protector-strong
ifdef SANITIZE
STRICT += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer
LDFLAGS += -fsanitize=$(SANITIZE)
else
CPPFLAGS += -D_FORTIFY_SOURCE=2
endif
LDFLAGS += -Wl,-z,relro,-z,now

# ---- sources: a platform's file is chosen by its name ----

platform = $(filter-out %_posix.c %_linux.c %_windows.c,$(1)) \
	$(filter %_linux.c %_posix.c,$(1))
other_segment := $(filter-out segment_$(SEGMENT).c,segment_linux.c segment_posix.c)

protocol_src := $(wildcard protocol/*.c)
config_src := $(wildcard config/*.c)
daemon_src := $(filter-out $(addprefix daemon/,$(other_segment)),\
	$(call platform,$(wildcard daemon/*.c)))
client_src := $(call platform,$(wildcard client/*.c))
segctl_src := $(wildcard client/segctl/*.c)
example_src := $(wildcard client/examples/*.c)
support_src := $(wildcard tests/support/*.c)
unit_src := $(wildcard tests/unit/*_test.c)
integration_src := $(wildcard tests/integration/*_test.c)
tool_src := $(filter-out %_test.c,$(wildcard tests/integration/*.c))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
daemon_lib_obj := $(call obj,$(filter-out daemon/main.c,$(daemon_src)) \
	$(config_src) $(protocol_src))
all_obj := $(call obj,$(protocol_src) $(config_src) $(daemon_src) \
	$(client_src) $(segctl_src) $(example_src) $(support_src) $(unit_src) \
	$(integration_src) $(tool_src))

examples := $(patsubst client/examples/%.c,$(BUILD)/examples/%,$(example_src))
unit_tests := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(unit_src))
integration_tests := $(patsubst tests/integration/%.c,$(BUILD)/tests/%,\
	$(integration_src))
test_tools := $(patsubst tests/integration/%.c,$(BUILD)/tests/%,$(tool_src))

UV_LIBS = $(shell pkg-config --libs $(PACKAGES))
CJSON_LIBS = $(shell pkg-config --libs libcjson)
CHECK_LIBS = $(shell pkg-config --libs check)

.PHONY: all demo check check-asan check-tsan fuzz format tidy install deps \
	help clean tests
.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

# ---- products ----

all: $(BUILD)/segbrokerd $(BUILD)/segctl $(BUILD)/libsegbroker.so.0 \
	$(BUILD)/libsegbroker.so $(BUILD)/libsegbroker.a $(BUILD)/segbroker.pc \
	$(examples)

# The build finds its headers through the packages: install them first.
$(all_obj): | deps

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(STRICT) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/segbrokerd: $(call obj,daemon/main.c) $(daemon_lib_obj)
	$(CC) $(CFLAGS) $(LDFLAGS) -pie -o $@ $^ $(UV_LIBS)

$(BUILD)/libsegbroker.so.0: $(call obj,$(client_src) $(protocol_src)) \
		client/libsegbroker.map
	$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,libsegbroker.so.0 \
		-Wl,--version-script=client/libsegbroker.map -o $@ \
		$(filter %.o,$^) $(CJSON_LIBS) -pthread

$(BUILD)/libsegbroker.so: $(BUILD)/libsegbroker.so.0
	ln -sf $(<F) $@

$(BUILD)/libsegbroker.a: $(call obj,$(client_src) $(protocol_src))
	rm -f $@
	ar rcs $@ $^

$(BUILD)/segctl: $(call obj,$(segctl_src)) $(BUILD)/libsegbroker.a
	$(CC) $(CFLAGS) $(LDFLAGS) -pie -o $@ $^ $(CJSON_LIBS) -pthread

$(BUILD)/examples/%: $(BUILD)/obj/client/examples/%.o $(BUILD)/libsegbroker.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -pie -o $@ $^ $(CJSON_LIBS) -pthread

$(BUILD)/segbroker.pc: packaging/segbroker.pc.in Makefile
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' $< > $@

# ---- tests ----

$(unit_tests): $(BUILD)/tests/%: $(BUILD)/obj/tests/unit/%.o \
		$(call obj,$(support_src)) $(daemon_lib_obj)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -pie -o $@ $^ $(CHECK_LIBS) $(UV_LIBS)

$(integration_tests) $(test_tools): $(BUILD)/tests/%: \
		$(BUILD)/obj/tests/integration/%.o \
		$(call obj,$(support_src)) $(BUILD)/libsegbroker.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LDFLAGS) -pie -o $@ $^ $(CHECK_LIBS) $(CJSON_LIBS) \
		-pthread

tests: all $(unit_tests) $(integration_tests) $(test_tools)

-include $(all_obj:.o=.d)
