# The tests that stand on what a kernel can do, on the one of Debian 12, which
# lacks newer calls than 6.1. It runs in an emulator: no KVM, no root, no disk.

kernel_deps := $(check_deps) qemu-system-x86 cpio libc-bin
kernel_tests := $(BUILD)/tests/unit/segment_test_posix \
	$(addprefix $(BUILD)/tests/integration/,segment_test access_test \
		pages_test_posix lifetime_test lifetime_test_posix \
		readonly_test_posix sharing_test_posix recovery_test \
		recovery_test_posix reconnect_test huge_test huge_test_linux)
kernel_parts := build/kernel/vmlinuz build/kernel/busybox

.PHONY: check-kernel deps-kernel

deps-kernel:
	@packaging/install-deps $(kernel_deps)

# Taken out of their packages, which are not installed.
build/kernel/vmlinuz: package = linux-image-amd64
build/kernel/vmlinuz: member = ./boot/vmlinuz-6.1.*
build/kernel/busybox: package = busybox-static
build/kernel/busybox: member = ./bin/busybox
$(kernel_parts): tests/kernel/fetch | deps-kernel
	$(say) FETCH $@
	$(Q)tests/kernel/fetch $@ $(package) '$(member)'

check-kernel: $(kernel_parts) deps-check deps-kernel tests
	$(Q)BUILD=$(BUILD) tests/kernel/run build/kernel \
		$(or $(TESTS),$(kernel_tests))
