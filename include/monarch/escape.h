/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guest-chosen bytes made safe to show. A process may call itself anything,
 * terminal escapes included; what leaves the daemon is printable ASCII, where
 * any other byte, and the backslash itself, is written \xNN. The form can be
 * turned back, so two different names never look the same.
 */
#ifndef MONARCH_ESCAPE_H
#define MONARCH_ESCAPE_H

#include <stddef.h>
#include <string.h>

/* Room for the escaped form of @len bytes, with the NUL. */
#define MONARCH_ESCAPED_SIZE(len) (4 * (len) + 1)

static inline int monarch_plain_char(unsigned char c)
{
	return c >= 0x20 && c <= 0x7e && c != '\\';
}

/**
 * monarch_escape_bytes() - escape @len bytes into @out
 * @size: of @out, at least 1; an escape that does not fit whole is left out
 * Return: @out, NUL-terminated.
 */
static inline char *monarch_escape_bytes(char *out, size_t size,
					 const char *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = bytes[i];
		size_t need = monarch_plain_char(c) ? 1 : 4;

		if (at + need >= size)
			break;
		if (need == 1) {
			out[at++] = c;
			continue;
		}
		out[at++] = '\\';
		out[at++] = 'x';
		out[at++] = digits[c >> 4];
		out[at++] = digits[c & 15];
	}
	out[at] = '\0';
	return out;
}

static inline char *monarch_escape(char *out, size_t size, const char *text)
{
	return monarch_escape_bytes(out, size, text, strlen(text));
}

/*
 * What a terminal may get of a string that is escaped already: the backslash
 * stays, everything that is not printable ASCII becomes '?'. In place.
 */
static inline char *monarch_printable(char *text)
{
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e)
			*p = '?';
	return text;
}

#endif /* MONARCH_ESCAPE_H */
