// SPDX-License-Identifier: GPL-2.0-only
/* See policy_value.h. Decimals are kept as an integer and a power of ten. */
#include "policy_value.h"

#include <ctype.h>

#define VALUE_MAX_DIGITS 15

struct decimal {
	u64 digits;
	u64 divisor;
};

/* Read "12" or "1.25". Return: what follows, or NULL. */
static const char *decimal_read(const char *text, struct decimal *ret)
{
	struct decimal value = { .divisor = 1 };
	bool point = false, any = false;
	u32 nr = 0;

	for (; isdigit((unsigned char)*text) || (*text == '.' && !point);
	     text++) {
		if (*text == '.') {
			point = true;
			any = false;
			continue;
		}
		if (++nr > VALUE_MAX_DIGITS)
			return NULL;
		value.digits = value.digits * 10 + (u64)(*text - '0');
		value.divisor *= point ? 10 : 1;
		any = true;
	}
	if (!nr || !any)
		return NULL;
	*ret = value;
	return text;
}

static int decimal_scale(const struct decimal *value, u64 unit, u64 *ret)
{
	unsigned __int128 scaled = (unsigned __int128)value->digits * unit;

	if (scaled % value->divisor)
		return -EINVAL;
	scaled /= value->divisor;
	if (scaled > (U64_MAX >> 1))
		return -EINVAL;
	*ret = (u64)scaled;
	return 0;
}

int policy_value_time(const char *text, u64 *ret_ns)
{
	static const struct {
		const char *name;
		u64 ns;
	} units[] = {
		{ "us", 1000 },		   { "ms", 1000000 },
		{ "s", 1000000000 },	   { "min", 60000000000 },
	};
	struct decimal value;

	text = decimal_read(text, &value);
	if (!text)
		return -EINVAL;
	while (*text == ' ')
		text++;
	for (u32 i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(text, units[i].name))
			return decimal_scale(&value, units[i].ns, ret_ns);
	return -EINVAL;
}

int policy_value_percent(const char *text, u64 *ret_ppm)
{
	struct decimal value;

	text = decimal_read(text, &value);
	if (!text)
		return -EINVAL;
	while (*text == ' ')
		text++;
	if (strcmp(text, "%"))
		return -EINVAL;
	return decimal_scale(&value, 10000, ret_ppm);
}

int policy_value_number(const char *text, u32 *ret)
{
	struct decimal value;

	text = decimal_read(text, &value);
	if (!text || *text || value.divisor != 1 || value.digits > U32_MAX)
		return -EINVAL;
	*ret = (u32)value.digits;
	return 0;
}
