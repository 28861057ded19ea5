#include <stdio.h>

int main(void) {
    int *volatile nowhere = NULL;
    puts("about to follow a null pointer");
    fflush(stdout);
    return *nowhere;
}
