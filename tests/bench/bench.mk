# Benchmarks: their programs, and the products, built for release in a folder of
# their own.

bench_deps := $(check_deps)
# Beside programs of others, which are installed only when asked for.
PEERS ?=
peer_deps := redis-tools s6 libs6-dev skalibs-dev dbus-broker libsystemd-dev
peer_src := tests/bench/fdholder_bench.c tests/bench/dbus_bench.c
bench_src := $(filter-out $(if $(PEERS),,$(peer_src)),\
	$(wildcard tests/bench/*_bench.c))
bench_lib_src := $(filter-out %_bench.c,$(wildcard tests/bench/*.c))
benches := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(bench_src))
bench_build := build/release$(if $(filter-out linux,$(SEGMENT)),-$(SEGMENT))
release := BUILD=$(bench_build) CFLAGS=-O2 SANITIZE=

# Counting has its own program, and a clock that brokers are given for it.
count_src := $(wildcard tests/bench/count/*.c)
count_clock := $(call obj,tests/bench/count/clock.c)
bench_obj := $(call obj,$(bench_src) $(bench_lib_src) $(count_src))

.PHONY: bench bench-gate bench-plot benches deps-bench

deps-bench:
	@packaging/install-deps $(bench_deps) $(if $(PEERS),$(peer_deps))

$(bench_obj): CPPFLAGS += -Iclient -Itests/support
$(bench_obj): | deps-bench

$(benches): $(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o \
		$(call obj,$(bench_lib_src) $(support_src)) \
		$(BUILD)/libsegbroker.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(PROGRAM_LDFLAGS) -o $@ $^ \
		$(CHECK_LIBS) $(CLIENT_LIBS) $(PEER_LIBS)

$(BUILD)/bench/fdholder_bench: PEER_LIBS = -ls6 -lskarnet
$(BUILD)/bench/dbus_bench: PEER_LIBS = -lsystemd

$(BUILD)/bench/count: $(filter-out $(count_clock),$(call obj,$(count_src))) \
		$(call obj,$(support_src)) $(BUILD)/libsegbroker.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(PROGRAM_LDFLAGS) -o $@ $^ \
		$(CHECK_LIBS) $(CLIENT_LIBS)

$(BUILD)/bench/clock.so: $(count_clock)
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $^

benches: all $(benches) $(BUILD)/bench/count $(BUILD)/bench/clock.so

bench:
	$(Q)$(MAKE) benches $(release)
	$(Q)tests/bench/run --build $(bench_build) $(if $(PEERS),--peers)

bench-gate:
	$(Q)$(MAKE) benches $(release)
	$(Q)tests/bench/gate

bench-plot:
	@packaging/install-deps gnuplot-nox python3
	$(Q)tests/bench/plot $(bench_build)/bench.json $(bench_build)/bench.svg

-include $(bench_obj:.o=.d)
