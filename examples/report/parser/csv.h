// What the reader of comma-separated values offers, and what it needs.

#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The same layout as a `string` and a `list` have at the border of a component.
struct csv_text {
    char *start;
    size_t length;
};

struct csv_row {
    struct csv_text *cells;
    size_t length;
};

struct csv_table {
    struct csv_row *rows;
    size_t length;
};

struct csv_problem {
    uint32_t line;
    struct csv_text message;
};

// Reads a text, which is changed by it and must live as long as the table. Says whether it is a table; if not, why.
bool csv_parse(struct csv_text text, struct csv_table *table, struct csv_problem *wrong);

// Memory until the end of the call that is being answered; NULL where there is none left.
void *csv_allocate(size_t count, size_t size);
