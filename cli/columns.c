// SPDX-License-Identifier: GPL-2.0-only
/* Tables: cells first, widths then, so that columns fit what is in them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../include/monarch/escape.h"
#include "monarchctl.h"

void columns_init(struct columns *columns, const char *const *titles)
{
	*columns = (struct columns){};
	for (; titles[columns->nr] && columns->nr < COLUMNS_MAX; columns->nr++) {
		const char *title = titles[columns->nr];

		columns->right[columns->nr] = *title == '>';
		columns->titles[columns->nr] = title + (*title == '>');
	}
}

void columns_add(struct columns *columns, const char *format, ...)
{
	va_list arguments;
	char *cell;

	if (columns->nr_cells == columns->max_cells) {
		int max = columns->max_cells ? 2 * columns->max_cells : 256;
		char **cells = reallocarray(columns->cells, (size_t)max,
					    sizeof(*cells));
		if (!cells)
			abort();
		columns->cells = cells;
		columns->max_cells = max;
	}
	va_start(arguments, format);
	if (vasprintf(&cell, format, arguments) < 0)
		abort();
	va_end(arguments);
	columns->cells[columns->nr_cells++] = monarch_printable(cell);
}

static int column_width(const struct columns *columns, int column, int cells)
{
	size_t width = strlen(columns->titles[column]);

	for (int i = column; i < cells; i += columns->nr) {
		size_t len = strlen(columns->cells[i]);

		width = len > width ? len : width;
	}
	return (int)width;
}

static void columns_line(const struct columns *columns, const int *widths,
			 char *const *cells, int width)
{
	char line[4096];
	size_t at = 0;

	for (int i = 0; i < columns->nr && at < sizeof(line); i++)
		at += (size_t)snprintf(line + at, sizeof(line) - at, "%s%*s",
				       i ? "  " : "",
				       columns->right[i] ? widths[i] : -widths[i],
				       cells[i]);
	at = strlen(line);
	while (at && line[at - 1] == ' ')
		at--;
	if (width > 0 && at > (size_t)width)
		at = (size_t)width;
	printf("%.*s\n", (int)at, line);
}

void columns_print(const struct columns *columns, int rows, int width)
{
	int cells = columns->nr_cells;
	int widths[COLUMNS_MAX];

	if (rows > 0 && rows * columns->nr < cells)
		cells = rows * columns->nr;
	for (int i = 0; i < columns->nr; i++)
		widths[i] = column_width(columns, i, cells);
	columns_line(columns, widths, (char *const *)columns->titles, width);
	for (int i = 0; i + columns->nr <= cells; i += columns->nr)
		columns_line(columns, widths, columns->cells + i, width);
}

void columns_deinit(struct columns *columns)
{
	for (int i = 0; i < columns->nr_cells; i++)
		free(columns->cells[i]);
	free(columns->cells);
	*columns = (struct columns){};
}
