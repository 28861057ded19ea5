#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
    size_t got = 0;
    for (char *block; (block = malloc(1 << 20)) != NULL && got < 4096; ++got) {
        memset(block, (int)got, 1 << 20);
    }
    printf("%zu MiB\n", got);
}
