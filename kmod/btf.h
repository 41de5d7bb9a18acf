/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Offsets of KVM's private structures, from the BTF that the host kernel
 * publishes of itself and of kvm_amd. Hard-coded ones are no option: they move
 * with every build.
 */
#ifndef MONARCH_BTF_H
#define MONARCH_BTF_H

#include <linux/types.h>

struct btf_pair;

/**
 * btf_open() - read the BTF of vmlinux and of a module
 * @module: its name in /sys/kernel/btf
 * Return: 0; -ENOENT one of them is not there; -EPROTO it is none that we
 * understand; -ENOMEM, -EIO.
 */
int __must_check btf_open(const char *module, struct btf_pair **ret);
void btf_close(struct btf_pair *pair);

/**
 * btf_offset() - offset of a structure's member, in bytes
 * Return: the offset; -ENOENT no such structure or member; -ENOTUNIQ there are
 * several that differ; -EDOM a bitfield; -EPROTO.
 */
int __must_check btf_offset(const struct btf_pair *pair, const char *type,
			    const char *member);

/* Size of a structure in bytes, or as btf_offset(). */
int __must_check btf_size(const struct btf_pair *pair, const char *type);

/*
 * Number of arguments of the function behind a typedef of a pointer to one, or
 * as btf_offset(). For btf_trace_*: what a tracepoint passes to its probes, the
 * void * included.
 */
int __must_check btf_arity(const struct btf_pair *pair, const char *type);

#endif /* MONARCH_BTF_H */
