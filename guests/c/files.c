/* Writes a text to a file and reads it back: `files PATH TEXT`; with one argument it only reads.
   Ends with 1 and the system's reason where it may not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int refuse(const char *what, const char *path) {
    printf("error: cannot %s %s: %s\n", what, path, strerror(errno));
    return 1;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        fprintf(stderr, "usage: files PATH [TEXT]\n");
        return 2;
    }
    const char *path = argv[1];

    if (argc > 2) {
        FILE *file = fopen(path, "w");
        if (file == NULL) {
            return refuse("create", path);
        }
        int refused = fputs(argv[2], file) < 0;
        /* Closing writes what is left, so it can fail as well. */
        if (fclose(file) != 0 || refused) {
            return refuse("write", path);
        }
    }

    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return refuse("open", path);
    }
    char piece[4096];
    size_t length;
    while ((length = fread(piece, 1, sizeof piece, file)) > 0) {
        fwrite(piece, 1, length, stdout);
    }
    int failed = ferror(file);
    fclose(file);
    printf("\n");
    return failed ? refuse("read", path) : 0;
}
