# SPDX-License-Identifier: GPL-2.0-only
# Installation. PREFIX and DESTDIR as everywhere; the list is in scripts/install.

PREFIX ?= /usr/local
DESTDIR ?=

.PHONY: install uninstall check-install

## make install        install under PREFIX (/usr/local), see docs/install.md
install: all
	@BUILD="$(BUILD)" PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" scripts/install

## make uninstall      remove it again; PREFIX and DESTDIR as they were
uninstall:
	@BUILD="$(BUILD)" PREFIX="$(PREFIX)" DESTDIR="$(DESTDIR)" scripts/install --uninstall

## make check-install  install into a scratch directory, look, uninstall
check-install: all
	@BUILD="$(BUILD)" scripts/check-install
