/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the core is compiled: the only file that knows, and the complete list
 * of what the core may use. The core is pure: no allocation, locks, sleeping,
 * logging, globals, recursion or time. In the kernel these names come from the
 * kernel itself; in user space the same names are made here.
 */
#ifndef GUESTINFO_CORE_ENV_H
#define GUESTINFO_CORE_ENV_H

#ifdef __KERNEL__

#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/container_of.h>
#include <linux/crc32.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/prefetch.h>
#include <linux/string.h>
#include <linux/types.h>

/* CRC-32 as zlib's crc32(), over @len bytes, continuing from @crc (0 to start). */
static inline u32 gi_crc32(u32 crc, const void *data, size_t len)
{
	return crc32_le(crc ^ ~0u, data, len) ^ ~0u;
}

#else

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

/* The kernel's types: u64 is "unsigned long long", so %llx fits both worlds. */
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef unsigned long long u64;
typedef int32_t s32;
typedef long long s64;

#define U64_MAX			((u64)~0ull)
#define U32_MAX			((u32)~0u)
#define BIT_ULL(n)		(1ull << (n))
#define GENMASK_ULL(h, l)	((~0ull << (l)) & (~0ull >> (63 - (h))))
#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#endif
#ifndef READ_ONCE
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#endif
#ifndef container_of
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))
#endif
#ifndef __must_check
#define __must_check		__attribute__((__warn_unused_result__))
#endif
#define __maybe_unused		__attribute__((__unused__))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define check_add_overflow(a, b, d)	__builtin_add_overflow(a, b, d)
#define check_sub_overflow(a, b, d)	__builtin_sub_overflow(a, b, d)
#define check_mul_overflow(a, b, d)	__builtin_mul_overflow(a, b, d)
#define prefetch(p)		__builtin_prefetch(p)
#ifndef min
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#endif

static inline u32 gi_crc32(u32 crc, const void *data, size_t len)
{
	return crc32(crc, data, len);
}

#endif /* __KERNEL__ */

#endif /* GUESTINFO_CORE_ENV_H */
