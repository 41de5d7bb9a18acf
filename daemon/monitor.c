// SPDX-License-Identifier: GPL-2.0-only
/*
 * Asking a QEMU monitor. Replies come from a process that a guest may have
 * taken over, so their shape is checked and never assumed.
 */
#include <stdlib.h>
#include <string.h>

#include "monitor.h"

int monitor_reply_parse(const char *reply, struct json_object **ret)
{
	struct json_object *root = json_tokener_parse(reply);
	struct json_object *value;

	if (!root || !json_object_is_type(root, json_type_object) ||
	    !json_object_object_get_ex(root, "return", &value)) {
		json_object_put(root);
		return -EBADMSG;
	}
	*ret = json_object_get(value);
	json_object_put(root);
	return 0;
}

const char *json_member_string(struct json_object *object, const char *key)
{
	struct json_object *value;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_object_object_get_ex(object, key, &value) ||
	    !json_object_is_type(value, json_type_string))
		return "";
	return json_object_get_string(value);
}

static int run(struct monitor *monitor, struct json_object *command,
	       struct json_object **ret)
{
	struct json_object *value;
	char *reply;
	int err;

	err = monitor->qmp(monitor, json_object_to_json_string(command),
			   &reply);
	if (err)
		return err;
	err = monitor_reply_parse(reply, &value);
	free(reply);
	if (err)
		return err;
	if (ret)
		*ret = value;
	else
		json_object_put(value);
	return 0;
}

int monitor_query(struct monitor *monitor, const char *command,
		  struct json_object **ret)
{
	struct json_object *object = json_object_new_object();
	int err;

	if (!object)
		return -ENOMEM;
	json_object_object_add(object, "execute",
			       json_object_new_string(command));
	err = run(monitor, object, ret);
	json_object_put(object);
	return err;
}

int monitor_hmp(struct monitor *monitor, const char *line, char **ret_text)
{
	struct json_object *object = json_object_new_object();
	struct json_object *arguments = json_object_new_object();
	struct json_object *value;
	char *text;
	int err;

	json_object_object_add(arguments, "command-line",
			       json_object_new_string(line));
	json_object_object_add(object, "execute",
			       json_object_new_string("human-monitor-command"));
	json_object_object_add(object, "arguments", arguments);
	err = run(monitor, object, &value);
	json_object_put(object);
	if (err)
		return err;
	if (!json_object_is_type(value, json_type_string)) {
		json_object_put(value);
		return -EBADMSG;
	}
	text = strdup(json_object_get_string(value));
	json_object_put(value);
	if (!text)
		return -ENOMEM;
	*ret_text = text;
	return 0;
}
