# Windows: everything is cross-built into build/windows/.

windows_deps := gcc-mingw-w64-x86-64-win32 mingw-w64-tools make pkg-config \
	libc6-dev gcc dpkg-dev xz-utils debian-archive-keyring uthash-dev
windows_make = $(MAKE) PLATFORM=windows BUILD=build/windows

.PHONY: windows windows-libraries deps-windows

deps-windows:
	@packaging/install-deps $(windows_deps)

# Once: `make clean` makes it anew.
build/windows/deps/ready: packaging/windows/build-libraries \
		packaging/windows/fetch-sources | deps-windows
	$(Q)packaging/windows/build-libraries $(@D)
	@touch $@

windows: build/windows/deps/ready
	+$(Q)$(windows_make) all

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
