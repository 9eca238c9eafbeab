# The man pages: packaging/man/NAME.N.scd becomes $(BUILD)/man/NAME.N.

man_src := $(wildcard packaging/man/*.scd)
man_pages := $(patsubst packaging/man/%.scd,$(BUILD)/man/%,$(man_src))
# The day that they bear, so that the same source gives the same pages: that of
# the package, else that of this version.
man_day := $(or $(SOURCE_DATE_EPOCH),1795392000)

.PHONY: deps-man
deps-man:
	@packaging/install-deps scdoc

man: $(man_pages)

# No hyphens in names that people look for: .TH undoes what scdoc says of that.
$(man_pages): $(BUILD)/man/%: packaging/man/%.scd Makefile | deps-man
	@mkdir -p $(@D)
	$(say) MAN $@
	$(Q)sed -e 's|@VERSION@|$(VERSION)|' $< > $@.scd
	$(Q)SOURCE_DATE_EPOCH=$(man_day) scdoc < $@.scd > $@
	$(Q)sed -i -e '/^\.TH /a .nh' $@ && rm $@.scd

# The test builds them by itself.
check: | deps-man
