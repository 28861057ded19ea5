#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { kSize = 120 };

// Solves a system whose solution is known, by elimination with pivots.
int main(void) {
    double (*a)[kSize + 1] = malloc(sizeof(double[kSize][kSize + 1]));
    for (int i = 0; i < kSize; ++i) {
        a[i][kSize] = 0;
        for (int j = 0; j < kSize; ++j) {
            a[i][j] = sin(i * kSize + j) + (i == j ? 10 : 0);
            a[i][kSize] += a[i][j] * (j + 1);
        }
    }
    for (int k = 0; k < kSize; ++k) {
        int pivot = k;
        for (int i = k + 1; i < kSize; ++i) {
            if (fabs(a[i][k]) > fabs(a[pivot][k])) {
                pivot = i;
            }
        }
        for (int j = 0; j <= kSize; ++j) {
            double t = a[k][j];
            a[k][j] = a[pivot][j];
            a[pivot][j] = t;
        }
        for (int i = 0; i < kSize; ++i) {
            if (i != k) {
                double f = a[i][k] / a[k][k];
                for (int j = k; j <= kSize; ++j) {
                    a[i][j] -= f * a[k][j];
                }
            }
        }
    }
    double worst = 0;
    for (int i = 0; i < kSize; ++i) {
        worst = fmax(worst, fabs(a[i][kSize] / a[i][i] - (i + 1)));
    }
    puts(worst < 1e-9 ? "solved" : "wrong");
    free(a);
}
