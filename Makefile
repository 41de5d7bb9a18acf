# SPDX-License-Identifier: GPL-2.0-only
# Front door: `make help` lists the targets.

BUILD ?= build
CC ?= gcc
CLANG ?= clang
WARN := -Wall -Wextra -Wno-unused-parameter -Wmissing-prototypes -Wstrict-prototypes -Wshadow
WERROR ?=
OPT ?= -O2 -g
PKGS := libsystemd libpcre2-8 libvirt libvirt-qemu json-c inih
CFLAGS_ALL = -std=gnu11 -D_GNU_SOURCE $(OPT) $(WARN) $(WERROR) $(SAN) \
	-MMD -MP $(shell pkg-config --cflags $(PKGS)) $(CFLAGS)
LIBS_CORE := -lz
LIBS_TYPES := -ldwarf -lelf
LIBS_DAEMON := $(shell pkg-config --libs $(PKGS)) -lpthread

V ?= 0
Q := $(if $(filter 0,$(V)),@,)

CORE := $(wildcard guestinfo/core/*.c)
GUESTINFO := $(CORE) $(wildcard guestinfo/types/*.c) $(wildcard guestinfo/find/*.c)
GUESTINFO := $(filter-out guestinfo/types/monarch-guestinfo.c,$(GUESTINFO))
DAEMON := $(filter-out daemon/main.c,$(wildcard daemon/*.c))
CLI := $(wildcard cli/*.c)
UNIT := $(wildcard test/unit/test_*.c)
CORE_SUITE := $(wildcard test/core/*.c)
FUZZ := $(wildcard test/fuzz/fuzz_*.c)
GUEST_TESTS := $(wildcard test/guest/*.c)
GUEST_LIB := $(wildcard test/guest/lib/*.c)
BENCH := $(wildcard bench/*.c)
LAB_TESTS := $(wildcard test/lab/*.c)
LAB_LIB := $(wildcard test/lab/lib/*.c)

obj = $(patsubst %.c,$(BUILD)/%.o,$(1))

.PHONY: all help
all: $(BUILD)/monarchd $(BUILD)/monarchctl $(BUILD)/monarch-guestinfo

include scripts/test.mk
include scripts/install.mk

$(BUILD)/%.o: %.c
	$(Q)mkdir -p $(@D)
	@echo "  CC      $<"
	$(Q)$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(BUILD)/libguestinfo.a: $(call obj,$(GUESTINFO))
	@echo "  AR      $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/libmonarchd.a: $(call obj,$(DAEMON))
	@echo "  AR      $@"
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(BUILD)/monarchd: $(call obj,daemon/main.c) $(BUILD)/libmonarchd.a $(BUILD)/libguestinfo.a
	@echo "  LD      $@"
	$(Q)$(CC) $(SAN) -o $@ $^ $(LIBS_DAEMON) $(LIBS_TYPES) $(LIBS_CORE)

$(BUILD)/monarchctl: $(call obj,$(CLI))
	@echo "  LD      $@"
	$(Q)$(CC) $(SAN) -o $@ $^ $(LIBS_DAEMON)

$(BUILD)/monarch-guestinfo: $(call obj,guestinfo/types/monarch-guestinfo.c) $(BUILD)/libguestinfo.a
	@echo "  LD      $@"
	$(Q)$(CC) $(SAN) -o $@ $^ $(LIBS_TYPES) $(LIBS_CORE)

# Programs of one .c file each: unit tests, guest tests, benchmarks. The latter
# two see a running guest through test/guest/lib.
define program
$(BUILD)/$(basename $(1)): $(call obj,$(1) $(2)) $(BUILD)/libmonarchd.a $(BUILD)/libguestinfo.a
	@echo "  LD      $$@"
	$$(Q)$$(CC) $$(SAN) -o $$@ $$^ $$(LIBS_DAEMON) $$(LIBS_TYPES) $$(LIBS_CORE) -lcmocka
endef
$(foreach p,$(UNIT),$(eval $(call program,$(p),)))
$(foreach p,$(GUEST_TESTS) $(BENCH),$(eval $(call program,$(p),$(GUEST_LIB))))
$(foreach p,$(LAB_TESTS),$(eval $(call program,$(p),$(LAB_LIB))))

$(BUILD)/test/core/suite: $(call obj,$(CORE_SUITE)) $(BUILD)/libguestinfo.a
	@echo "  LD      $@"
	$(Q)$(CC) $(SAN) -o $@ $^ $(LIBS_TYPES) $(LIBS_CORE)

-include $(shell find $(BUILD) -name '*.d' -type f 2>/dev/null)
