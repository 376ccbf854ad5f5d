/* Says hello, and how it was called. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv) {
    const char *who = argc > 1 ? argv[1] : "world";
    const char *from = getenv("FROM");
    printf("hello, %s", who);
    if (from != NULL) {
        printf(", from %s", from);
    }
    printf("\n");
    return 0;
}
