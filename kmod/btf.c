// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading BTF (Documentation/bpf/btf.rst); the idea is in btf.h.
 *
 * The data come from our own kernel, yet every length is checked: a format that
 * has grown shows itself as one that does not add up, and then nothing is
 * believed. Types of a module go on numbering, and their strings go on counting,
 * where those of vmlinux end. A module may hold a structure several times; they
 * must agree.
 */
#include <linux/btf.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "btf.h"

#define BTF_FILE_MAX	(64 << 20)

/* The header as it was at first: it grows, and files with the old one go on. */
#define HEADER_MIN	offsetofend(struct btf_header, str_len)

struct btf_view {
	void *data;
	const u8 *types, *types_end;
	const char *strings;
	u32 strings_len;
	u32 first_id;
	u32 nr_types;
};

struct btf_pair {
	struct btf_view base, module;
};

static int read_whole(struct file *file, void **ret, loff_t *ret_size)
{
	loff_t size = i_size_read(file_inode(file)), pos = 0;
	ssize_t got = 1;
	void *data;

	if (size < (loff_t)HEADER_MIN || size > BTF_FILE_MAX)
		return -EPROTO;
	data = vmalloc(size);
	if (!data)
		return -ENOMEM;
	while (pos < size && got > 0)
		got = kernel_read(file, data + pos, size - pos, &pos);
	if (pos != size) {
		vfree(data);
		return -EIO;
	}
	*ret = data;
	*ret_size = size;
	return 0;
}

static int view_parse(struct btf_view *view, loff_t size)
{
	const struct btf_header *header = view->data;

	if (header->magic != BTF_MAGIC || header->version != BTF_VERSION ||
	    header->hdr_len < HEADER_MIN ||
	    (u64)header->hdr_len + header->type_off + header->type_len > size ||
	    (u64)header->hdr_len + header->str_off + header->str_len > size ||
	    !header->str_len)
		return -EPROTO;
	view->types = view->data + header->hdr_len + header->type_off;
	view->types_end = view->types + header->type_len;
	view->strings = view->data + header->hdr_len + header->str_off;
	view->strings_len = header->str_len;
	if (view->strings[view->strings_len - 1])
		return -EPROTO;
	return 0;
}

static int view_open(struct btf_view *view, const char *name)
{
	char path[64];
	struct file *file;
	loff_t size;
	int err;

	snprintf(path, sizeof(path), "/sys/kernel/btf/%s", name);
	file = filp_open(path, O_RDONLY, 0);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = read_whole(file, &view->data, &size);
	filp_close(file, NULL);
	return err ? err : view_parse(view, size);
}

/* Bytes that follow a type's head. Return: -EPROTO: a kind that we do not know. */
static int type_tail(const struct btf_type *type)
{
	u32 nr = btf_type_vlen(type);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_DATASEC:
	case BTF_KIND_ENUM64:
		return 12 * nr;
	case BTF_KIND_ENUM:
	case BTF_KIND_FUNC_PROTO:
		return 8 * nr;
	case BTF_KIND_PTR:
	case BTF_KIND_FWD:
	case BTF_KIND_TYPEDEF:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_CONST:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_FUNC:
	case BTF_KIND_FLOAT:
	case BTF_KIND_TYPE_TAG:
		return 0;
	}
	return -EPROTO;
}

/* Step over one type. Return: 0, or -EPROTO. */
static int type_next(const struct btf_view *view, const u8 **at)
{
	const struct btf_type *type = (const void *)*at;
	int tail;

	if (view->types_end - *at < sizeof(*type))
		return -EPROTO;
	tail = type_tail(type);
	if (tail < 0 || view->types_end - *at - sizeof(*type) < tail)
		return -EPROTO;
	*at += sizeof(*type) + tail;
	return 0;
}

/* Make sure that it adds up, and count. */
static int view_check(struct btf_view *view)
{
	const u8 *at = view->types;

	while (at < view->types_end) {
		if (type_next(view, &at))
			return -EPROTO;
		view->nr_types++;
	}
	return 0;
}

int btf_open(const char *module, struct btf_pair **ret)
{
	struct btf_pair *pair = kzalloc(sizeof(*pair), GFP_KERNEL);
	int err;

	if (!pair)
		return -ENOMEM;
	err = view_open(&pair->base, "vmlinux");
	if (!err)
		err = view_check(&pair->base);
	if (!err)
		err = view_open(&pair->module, module);
	if (!err)
		err = view_check(&pair->module);
	if (err) {
		btf_close(pair);
		return err;
	}
	pair->base.first_id = 1;	/* 0 is void */
	pair->module.first_id = 1 + pair->base.nr_types;
	*ret = pair;
	return 0;
}

void btf_close(struct btf_pair *pair)
{
	vfree(pair->base.data);
	vfree(pair->module.data);
	kfree(pair);
}

static const char *string_at(const struct btf_pair *pair, u32 offset)
{
	if (offset < pair->base.strings_len)
		return pair->base.strings + offset;
	offset -= pair->base.strings_len;
	return offset < pair->module.strings_len ?
		       pair->module.strings + offset : "";
}

static const struct btf_type *type_by_id(const struct btf_pair *pair, u32 id)
{
	const struct btf_view *view = id < pair->module.first_id ?
					      &pair->base : &pair->module;
	const u8 *at = view->types;

	if (id < view->first_id || id - view->first_id >= view->nr_types)
		return NULL;
	for (id -= view->first_id; id; id--)
		if (type_next(view, &at))
			return NULL;
	return (const void *)at;
}

static int member_offset(const struct btf_pair *pair,
			 const struct btf_type *type, const char *name)
{
	const struct btf_member *member = (const void *)(type + 1);
	u32 i, bits;

	for (i = 0; i < btf_type_vlen(type); i++, member++) {
		if (strcmp(string_at(pair, member->name_off), name))
			continue;
		bits = member->offset;
		if (BTF_INFO_KFLAG(type->info)) {
			if (BTF_MEMBER_BITFIELD_SIZE(bits))
				return -EDOM;
			bits = BTF_MEMBER_BIT_OFFSET(bits);
		}
		return bits % 8 ? -EDOM : bits / 8;
	}
	return -ENOENT;
}

static int struct_fact(const struct btf_pair *pair, const struct btf_type *type,
		       const char *member)
{
	return member ? member_offset(pair, type, member) : type->size;
}

/* Over all structures named @name of one view; they must agree. */
static int view_struct(const struct btf_pair *pair, const struct btf_view *view,
		       const char *name, const char *member)
{
	const u8 *at = view->types;
	int ret = -ENOENT, fact;

	while (at < view->types_end) {
		const struct btf_type *type = (const void *)at;

		if (BTF_INFO_KIND(type->info) == BTF_KIND_STRUCT &&
		    !strcmp(string_at(pair, type->name_off), name)) {
			fact = struct_fact(pair, type, member);
			if (ret != -ENOENT && fact != ret)
				return -ENOTUNIQ;
			ret = fact;
		}
		if (type_next(view, &at))
			return -EPROTO;
	}
	return ret;
}

static int find_struct(const struct btf_pair *pair, const char *name,
		       const char *member)
{
	int ret = view_struct(pair, &pair->module, name, member);

	return ret == -ENOENT ? view_struct(pair, &pair->base, name, member) :
				ret;
}

int btf_offset(const struct btf_pair *pair, const char *type,
	       const char *member)
{
	return find_struct(pair, type, member);
}

int btf_size(const struct btf_pair *pair, const char *type)
{
	return find_struct(pair, type, NULL);
}

static int proto_arity(const struct btf_pair *pair, const struct btf_type *type)
{
	if (BTF_INFO_KIND(type->info) != BTF_KIND_TYPEDEF)
		return -EPROTO;
	type = type_by_id(pair, type->type);
	if (!type || BTF_INFO_KIND(type->info) != BTF_KIND_PTR)
		return -EPROTO;
	type = type_by_id(pair, type->type);
	if (!type || BTF_INFO_KIND(type->info) != BTF_KIND_FUNC_PROTO)
		return -EPROTO;
	return btf_type_vlen(type);
}

int btf_arity(const struct btf_pair *pair, const char *name)
{
	const struct btf_view *view = &pair->module;
	const u8 *at = view->types;

	while (at < view->types_end) {
		const struct btf_type *type = (const void *)at;

		if (BTF_INFO_KIND(type->info) == BTF_KIND_TYPEDEF &&
		    !strcmp(string_at(pair, type->name_off), name))
			return proto_arity(pair, type);
		if (type_next(view, &at))
			return -EPROTO;
	}
	return -ENOENT;
}
