#include <assert.h>
#include <stdio.h>

int main(int argc, char **argv) {
    (void)argv;
    printf("%d argument\n", argc);
    fflush(stdout);
    assert(argc > 1);
}
