# SPDX-License-Identifier: GPL-2.0-only
# Test, benchmark and demonstration targets.
#
#   check            all of it: what CI runs
#   check-quick      seconds: unit and core tests under sanitizers, layers
#   check-fuzz       every fuzzer for FUZZ_SECONDS
#   check-guests     real Debian guests
#   check-daemon     monarchd and monarchctl on VMs of libvirt and others
#   check-lab        real KVM in emulated machines, Debian's kernels in both

FUZZ_SECONDS ?= 60
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer

.PHONY: help deps check check-quick check-static check-build check-unit \
	check-fuzz check-guests check-backend check-daemon check-daemon-san check-kbuild check-types check-dwarf-full soak \
	bench demo clean unit-run fuzzers fuzz-programs lab check-lab check-kmod

help:
	@sed -n 's/^## //p' Makefile scripts/test.mk scripts/install.mk

## make                build monarchd, monarchctl, monarch-guestinfo
## make demo           two VMs, an indexer and a web server: what Monarch does (8 minutes)
## make check          every test that needs no hardware virtualization (25 minutes)
## make check-quick    unit and core tests under sanitizers, layers (a minute)
## make check-unit     unit and core tests under sanitizers
## make check-fuzz     every fuzzer, FUZZ_SECONDS (60) each
## make check-guests   real Debian guests: GUESTS="6.1 sid" to choose
## make check-daemon   monarchd and monarchctl, end to end: CASES="..." to choose
## make check-daemon-san   the same, both under sanitizers
## make check-backend  the qemu backend on real VMs, with libvirt and without
## make lab            a shell in the nested lab: LAB="--l1 sid --smp 2" to choose
## make check-lab      KVM's part, in the nested lab: CASES="kvm 6.1" to choose
## make check-kmod     monarch.ko builds cleanly (6.1, 6.12, sid), links with nothing of kvm
## make check-kbuild   the core compiles as a kernel module (6.1, 6.12, sid)
## make check-types    BTF and DWARF give the same offsets
## make check-dwarf-full  the same with a whole -dbg package (downloads 860 MB)
## make soak           10 000 stop/resume cycles per kernel and more
## make bench          measure; results in build/bench/results.json
## make deps           install the Debian packages that all this needs
## make clean          remove build/

deps:
	@scripts/deps

check: deps
	@scripts/check

check-quick: check-static check-unit

# Every target below works on a fresh machine. What is built with packages that
# were missing is built by another make, after they have come.

check-static: deps
	@scripts/check-layers

# gcc and clang, warnings are errors.
check-build: deps
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/gcc CC=gcc WERROR=-Werror all tests
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/clang CC=$(CLANG) WERROR=-Werror all tests

.PHONY: tests guest-tests
guest-tests: $(patsubst %.c,$(BUILD)/%,$(GUEST_TESTS))

tests: $(patsubst %.c,$(BUILD)/%,$(UNIT) $(GUEST_TESTS) $(BENCH) $(LAB_TESTS)) $(BUILD)/test/core/suite

unit-run: $(patsubst %.c,$(BUILD)/%,$(UNIT)) $(BUILD)/test/core/suite
	@scripts/run-units $^

check-unit: deps
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/san SAN="$(SANITIZE)" OPT="-O1 -g" \
		WERROR=-Werror all unit-run

# libFuzzer is LLVM's; what a fuzzer tests is built with its coverage.
fuzzers: deps
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/fuzz CC=$(CLANG) OPT="-O1 -g" \
		SAN="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined" \
		WERROR=-Werror fuzz-programs

fuzz-programs: $(patsubst %.c,$(BUILD)/%,$(FUZZ))

$(BUILD)/test/fuzz/%: $(BUILD)/test/fuzz/%.o $(BUILD)/test/core/fake_guest.o \
		$(BUILD)/libmonarchd.a $(BUILD)/libguestinfo.a
	@echo "  LD      $@"
	$(Q)$(CC) $(SAN) -fsanitize=fuzzer -o $@ $^ $(LIBS_DAEMON) $(LIBS_TYPES) $(LIBS_CORE)

check-fuzz: fuzzers
	@scripts/run-fuzzers $(FUZZ_SECONDS) $(patsubst %.c,$(BUILD)/fuzz/%,$(FUZZ))

check-kmod: deps
	@BUILD="$(BUILD)" scripts/check-kmod

check-kbuild: deps
	@scripts/check-kbuild

check-types: deps
	$(Q)$(MAKE) --no-print-directory $(BUILD)/monarch-guestinfo
	@scripts/check-types

check-dwarf-full: deps
	$(Q)$(MAKE) --no-print-directory $(BUILD)/monarch-guestinfo
	@scripts/check-types --full

check-guests: deps
	$(Q)$(MAKE) --no-print-directory guest-tests all
	@scripts/check-guests $(GUESTS)

check-daemon: deps
	$(Q)$(MAKE) --no-print-directory all
	@BUILD="$(BUILD)" scripts/check-daemon $(CASES)

# The same with monarchd and monarchctl under sanitizers: what CI runs.
check-daemon-san:
	$(Q)$(MAKE) --no-print-directory BUILD=$(BUILD)/san SAN="$(SANITIZE)" OPT="-O1 -g" \
		WERROR=-Werror check-daemon

.PHONY: lab-tests
lab-tests: $(patsubst %.c,$(BUILD)/%,$(GUEST_TESTS) $(LAB_TESTS))

lab: deps
	$(Q)$(MAKE) --no-print-directory lab-tests all
	@BUILD="$(BUILD)" scripts/lab shell $(LAB)

check-lab: check-kmod
	$(Q)$(MAKE) --no-print-directory lab-tests all
	@BUILD="$(BUILD)" scripts/check-lab $(CASES)

check-backend: deps
	$(Q)$(MAKE) --no-print-directory $(BUILD)/test/guest/backend_guest
	@scripts/run-units $(BUILD)/test/guest/backend_guest

soak: deps
	$(Q)$(MAKE) --no-print-directory guest-tests all
	@CYCLES=10000 scripts/check-guests $(GUESTS)

bench: deps
	$(Q)$(MAKE) --no-print-directory $(patsubst %.c,$(BUILD)/%,$(BENCH)) all
	@scripts/bench

demo: deps
	$(Q)$(MAKE) --no-print-directory all
	@scripts/demo

clean:
	rm -rf $(BUILD)
