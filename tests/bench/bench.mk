# Benchmarks: their programs, and the products, built for release in a folder of
# their own.

bench_deps := $(check_deps)
bench_src := $(wildcard tests/bench/*_bench.c)
bench_lib_src := $(filter-out $(bench_src),$(wildcard tests/bench/*.c))
benches := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(bench_src))
release := BUILD=build/release CFLAGS=-O2 SANITIZE=
PEERS ?=

.PHONY: bench bench-plot benches deps-bench

deps-bench:
	@packaging/install-deps $(bench_deps)

$(call obj,$(bench_src) $(bench_lib_src)): CPPFLAGS += -Iclient -Itests/support
$(call obj,$(bench_src) $(bench_lib_src)): | deps-bench

$(benches): $(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o \
		$(call obj,$(bench_lib_src) $(support_src)) \
		$(BUILD)/libsegbroker.a
	@mkdir -p $(@D)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(PROGRAM_LDFLAGS) -o $@ $^ \
		$(CHECK_LIBS) $(CLIENT_LIBS)

benches: all $(benches)

bench:
	$(Q)$(MAKE) benches $(release)
	$(Q)tests/bench/run $(if $(PEERS),--peers)

bench-plot:
	@packaging/install-deps gnuplot-nox python3
	$(Q)tests/bench/plot build/release/bench.json build/release/bench.svg

-include $(patsubst %.o,%.d,$(call obj,$(bench_src) $(bench_lib_src)))
