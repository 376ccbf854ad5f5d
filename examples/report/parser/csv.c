// Reads comma-separated values (RFC 4180). The text is hostile as far as this file knows.
//
// Two passes over the text: the first finds what is wrong and counts, the second fills arrays of just that size.
// Cells are pieces of the text itself; where a quote was doubled, the cell is written together in its place.

#include "csv.h"

// One reading of a text: where it is, and what it has seen.
struct reader {
    char *text;
    size_t length;
    size_t at;
    uint32_t line;
};

static bool problem(struct csv_problem *problem, uint32_t line, const char *message) {
    problem->line = line;
    problem->message.start = (char *)message;
    problem->message.length = 0;
    while (message[problem->message.length] != '\0')
        problem->message.length++;
    return false;
}

static bool ends_cell(const struct reader *reader) {
    if (reader->at == reader->length)
        return true;
    char c = reader->text[reader->at];
    bool is_break = c == '\r' && reader->at + 1 < reader->length && reader->text[reader->at + 1] == '\n';
    return c == ',' || c == '\n' || is_break;
}

static bool read_quoted(struct reader *reader, struct csv_text *cell, bool write, struct csv_problem *wrong) {
    uint32_t first_line = reader->line;
    reader->at++;
    cell->start = reader->text + reader->at;
    cell->length = 0;
    for (; reader->at < reader->length; reader->at++) {
        char c = reader->text[reader->at];
        if (c == '"') {
            if (reader->at + 1 == reader->length || reader->text[reader->at + 1] != '"') {
                reader->at++;
                return ends_cell(reader)
                    || problem(wrong, reader->line, "behind a closing quote comes more of the cell");
            }
            reader->at++;
        }
        if (c == '\n')
            reader->line++;
        if (write)
            cell->start[cell->length] = c;
        cell->length++;
    }
    return problem(wrong, first_line, "a quote is opened and never closed");
}

static bool read_cell(struct reader *reader, struct csv_text *cell, bool write, struct csv_problem *wrong) {
    if (reader->at < reader->length && reader->text[reader->at] == '"')
        return read_quoted(reader, cell, write, wrong);
    size_t start = reader->at;
    for (; !ends_cell(reader); reader->at++) {
        if (reader->text[reader->at] == '"')
            return problem(wrong, reader->line, "a quote stands inside a cell that does not begin with one");
    }
    cell->start = reader->text + start;
    cell->length = reader->at - start;
    return true;
}

// Steps over what ends a cell; says whether another cell of the same row follows.
static bool next_in_row(struct reader *reader) {
    if (reader->at == reader->length)
        return false;
    char c = reader->text[reader->at];
    reader->at += c == '\r' ? 2 : 1;
    if (c != ',')
        reader->line++;
    return c == ',';
}

// The first pass: how many rows and cells there are.
static bool count(struct reader reader, size_t *rows, size_t *columns, struct csv_problem *wrong) {
    *rows = 0;
    while (reader.at < reader.length) {
        size_t cells = 0;
        uint32_t line = reader.line;
        struct csv_text cell;
        do {
            if (!read_cell(&reader, &cell, false, wrong))
                return false;
            cells++;
        } while (next_in_row(&reader));
        if (*rows == 0)
            *columns = cells;
        else if (cells != *columns)
            return problem(wrong, line, "the row has another number of cells than the first");
        *rows += 1;
    }
    return *rows > 0 || problem(wrong, 1, "the text is empty");
}

bool csv_parse(struct csv_text text, struct csv_table *table, struct csv_problem *wrong) {
    struct reader reader = { text.start, text.length, 0, 1 };
    size_t rows, columns;
    if (!count(reader, &rows, &columns, wrong))
        return false;
    struct csv_text *cells = csv_allocate(rows, columns * sizeof *cells);
    table->rows = csv_allocate(rows, sizeof *table->rows);
    table->length = rows;
    if (cells == NULL || table->rows == NULL)
        return problem(wrong, 1, "the table does not fit into the memory of its reader");
    for (size_t row = 0; row < rows; row++) {
        table->rows[row].cells = cells + row * columns;
        table->rows[row].length = columns;
        size_t column = 0;
        do {
            read_cell(&reader, &table->rows[row].cells[column++], true, wrong);
        } while (next_in_row(&reader));
    }
    return true;
}
