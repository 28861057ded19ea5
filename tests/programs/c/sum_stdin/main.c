#include <inttypes.h>
#include <stdio.h>

int main(void) {
    int64_t sum = 0, largest = -1;
    size_t count = 0;
    for (int64_t n; scanf("%" SCNd64, &n) == 1; ++count) {
        sum += n;
        if (n > largest) {
            largest = n;
        }
    }
    printf("%zu numbers, sum %" PRId64 ", largest %" PRId64 "\n", count, sum, largest);
}
