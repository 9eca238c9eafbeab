# Packages, and the test that installs them. Built from a copy of the tracked
# files, so that the tree stays as it is.

packages := build/packages

deb_deps := $(build_deps) build-essential debhelper dpkg-dev git \
	lintian scdoc
rpm_deps := $(build_deps) rpm rpmlint git scdoc
system_deps := $(deb_deps) systemd dbus passwd python3 util-linux

.PHONY: deb rpm check-system deps-deb deps-rpm deps-system

deps-deb:
	@packaging/install-deps $(deb_deps)
deps-rpm:
	@packaging/install-deps $(rpm_deps)
deps-system:
	@packaging/install-deps $(system_deps)

deb: deps-deb
	$(Q)packaging/build-deb $(VERSION) build/deb $(packages)
	$(Q)lintian --pedantic --fail-on error,warning --allow-root \
		$(packages)/*.changes

rpm: deps-rpm
	$(Q)packaging/build-rpm $(VERSION) build/rpm $(packages)

check-system: deps-system
	$(Q)packaging/build-deb $(VERSION) build/deb $(packages)
	$(Q)tests/systemd/run $(packages)
