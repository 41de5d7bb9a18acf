// SPDX-License-Identifier: GPL-2.0-only
/*
 * D-Bus -> JSON by the types in the message: arrays of dictionary entries
 * become objects, other arrays and structures arrays, variants what they hold.
 * Messages nest no deeper than D-Bus itself allows (64).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../include/monarch/escape.h"
#include "monarchctl.h"

static json_object *json_value(sd_bus_message *message);

static json_object *json_basic(sd_bus_message *message, char type)
{
	union {
		uint8_t y; int b; int16_t n; uint16_t q; int32_t i; uint32_t u;
		int64_t x; uint64_t t; double d; const char *s;
	} value;

	if (sd_bus_message_read_basic(message, type, &value) < 0)
		return NULL;
	switch (type) {
	case 'y': return json_object_new_int(value.y);
	case 'b': return json_object_new_boolean(value.b);
	case 'n': return json_object_new_int(value.n);
	case 'q': return json_object_new_int(value.q);
	case 'i': return json_object_new_int(value.i);
	case 'u': return json_object_new_int64(value.u);
	case 'x': return json_object_new_int64(value.x);
	case 't': return json_object_new_uint64(value.t);
	case 'd': return json_object_new_double(value.d);
	case 's': case 'o': case 'g': return json_object_new_string(value.s);
	}
	return NULL;
}

/* Put all that is left in this container into @array. */
static int json_fill(sd_bus_message *message, json_object *array)
{
	while (sd_bus_message_at_end(message, false) == 0) {
		json_object *value = json_value(message);

		if (!value)
			return -EBADMSG;
		json_object_array_add(array, value);
	}
	return 0;
}

static int json_fill_entries(sd_bus_message *message, const char *contents,
			     json_object *object)
{
	while (sd_bus_message_enter_container(message, 'e', contents) > 0) {
		const char *key;
		json_object *value;

		if (sd_bus_message_read_basic(message, 's', &key) < 0)
			return -EBADMSG;
		value = json_value(message);
		if (!value)
			return -EBADMSG;
		json_object_object_add(object, key, value);
		sd_bus_message_exit_container(message);
	}
	return 0;
}

static json_object *json_dictionary(sd_bus_message *message, const char *contents)
{
	char entry[64];
	size_t len = strlen(contents);
	json_object *object = json_object_new_object();

	/* "{sv}" -> "sv" */
	if (!object || len < 4 || len >= sizeof(entry) || contents[1] != 's') {
		json_object_put(object);
		return NULL;
	}
	memcpy(entry, contents + 1, len - 2);
	entry[len - 2] = '\0';
	if (json_fill_entries(message, entry, object)) {
		json_object_put(object);
		return NULL;
	}
	return object;
}

static json_object *json_container(sd_bus_message *message, char type,
				   const char *contents)
{
	json_object *value;

	if (sd_bus_message_enter_container(message, type, contents) < 0)
		return NULL;
	if (type == 'v') {
		value = json_value(message);
	} else if (type == 'a' && contents[0] == '{') {
		value = json_dictionary(message, contents);
	} else {
		value = json_object_new_array();
		if (value && json_fill(message, value)) {
			json_object_put(value);
			value = NULL;
		}
	}
	if (value)
		sd_bus_message_exit_container(message);
	return value;
}

static json_object *json_value(sd_bus_message *message)
{
	const char *contents;
	char type;

	if (sd_bus_message_peek_type(message, &type, &contents) <= 0)
		return NULL;
	if (strchr("avr", type))
		return json_container(message, type, contents);
	return json_basic(message, type);
}

json_object *json_from_message(sd_bus_message *message)
{
	if (sd_bus_message_at_end(message, true) > 0)
		return json_object_new_object();
	return json_value(message);
}

const char *json_text(json_object *object, const char *key)
{
	json_object *value = json_object_object_get(object, key);

	return value ? json_object_get_string(value) : "";
}

uint64_t json_number(json_object *object, const char *key)
{
	return json_object_get_uint64(json_object_object_get(object, key));
}

double json_real(json_object *object, const char *key)
{
	return json_object_get_double(json_object_object_get(object, key));
}

bool json_flag(json_object *object, const char *key)
{
	return json_object_get_boolean(json_object_object_get(object, key));
}

int json_print(json_object *object)
{
	puts(json_object_to_json_string_ext(object,
			JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED |
			JSON_C_TO_STRING_NOSLASHESCAPE));
	return CLI_OK;
}
