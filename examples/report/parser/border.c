// The border of the component: what `wit/csv.wit` says, in the terms of C. No C library is needed, so any clang
// that knows WebAssembly compiles it. For larger interfaces `wit-bindgen c` writes such a file.

#include "csv.h"

#define EXPORT(name) __attribute__((export_name(name)))
#define PAGE_BYTES ((size_t)65536)

// Where the linker says that free memory begins.
extern char __heap_base;

// Memory is handed out from one end to the other and is free again when the answer has been read.
static size_t used_to;

static void *allocate(size_t bytes, size_t alignment) {
    if (used_to == 0)
        used_to = (size_t)&__heap_base;
    size_t start = (used_to + alignment - 1) & ~(alignment - 1);
    size_t end;
    if (start < used_to || __builtin_add_overflow(start, bytes, &end))
        return NULL;
    size_t have = __builtin_wasm_memory_size(0) * PAGE_BYTES;
    if (end > have) {
        size_t pages = (end - have + PAGE_BYTES - 1) / PAGE_BYTES;
        if (__builtin_wasm_memory_grow(0, pages) == (size_t)-1)
            return NULL;
    }
    used_to = end;
    return (void *)start;
}

void *csv_allocate(size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return allocate(bytes, _Alignof(max_align_t));
}

// The caller's text is put where this says.
EXPORT("cabi_realloc")
void *cabi_realloc(void *old, size_t old_bytes, size_t alignment, size_t bytes) {
    void *new = allocate(bytes, alignment);
    if (new == NULL)
        __builtin_trap();
    for (size_t at = 0; at < old_bytes && at < bytes; at++)
        ((char *)new)[at] = ((char *)old)[at];
    return new;
}

// `result<list<list<string>>, problem>` as it lies in memory.
struct answer {
    uint8_t is_problem;
    union {
        struct csv_table table;
        struct csv_problem problem;
    };
};

EXPORT("example:report/csv@1.0.0#parse")
struct answer *parse(char *start, size_t length) {
    static struct answer answer;
    struct csv_text text = { start, length };
    struct csv_table table;
    struct csv_problem problem;
    answer.is_problem = !csv_parse(text, &table, &problem);
    if (answer.is_problem)
        answer.problem = problem;
    else
        answer.table = table;
    return &answer;
}

// Called when the caller has taken its copy of the answer.
EXPORT("cabi_post_example:report/csv@1.0.0#parse")
void forget(struct answer *answer) {
    (void)answer;
    used_to = 0;
}
