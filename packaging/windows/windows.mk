# Windows: everything is cross-built into build/windows/.

windows_deps := gcc-mingw-w64-x86-64-win32 mingw-w64-tools make pkg-config \
	libc6-dev gcc dpkg-dev xz-utils debian-archive-keyring uthash-dev
windows_make = $(MAKE) PLATFORM=windows BUILD=build/windows

.PHONY: windows check-windows msi deps-windows deps-wine deps-msi

deps-windows:
	@packaging/install-deps $(windows_deps)

# Once: `make clean` makes it anew.
build/windows/deps/ready: packaging/windows/build-libraries \
		packaging/windows/fetch-sources | deps-windows
	$(Q)packaging/windows/build-libraries $(@D)
	@touch $@

windows: build/windows/deps/ready
	+$(Q)$(windows_make) all tests

# ---- tests, under Wine ----

windows_tests = $(addprefix build/windows/,$(addsuffix .exe,$(basename \
	$(filter-out %_posix.c %_linux.c,$(wildcard tests/unit/*_test.c \
		tests/unit/*_test_*.c tests/integration/*_test.c \
		tests/integration/*_test_*.c)))))

deps-wine:
	@packaging/install-deps python3 wine64 clang
deps-msi:
	@packaging/install-deps wixl msitools

check-windows: windows msi deps-wine
	$(Q)BUILD=build/windows tests/windows/run \
		$(or $(TESTS),$(windows_tests) $(wildcard tests/windows/*_test.sh))

# ---- the installer ----

msi_package := build/windows/segbroker-$(VERSION)-x64.msi

msi: windows deps-msi
	$(Q)packaging/windows/build-msi $(VERSION) build/windows $(msi_package)

$(BUILD)/segbroker.dll: $(call obj,$(client_src) $(protocol_src)) \
		client/segbroker.def
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -o $@ $(filter %.o,$^) \
		client/segbroker.def -Wl,--out-implib,$(BUILD)/libsegbroker.dll.a \
		$(CLIENT_LIBS)

# The texts that the event log shows.
$(BUILD)/events.o: packaging/windows/events.mc
	$(say) MC $@
	$(Q)x86_64-w64-mingw32-windmc -b -h $(@D) -r $(@D) $<
	$(Q)$(WINDRES) $(@D)/events.rc $@
