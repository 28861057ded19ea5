#include <bits/stdc++.h>

using namespace std;

int main() {
    vector<int> sieve(1'000'001, 1);
    long long sum = 0;
    for (size_t n = 2; n < sieve.size(); ++n) {
        if (sieve[n]) {
            sum += static_cast<long long>(n);
            for (size_t m = n * n; m < sieve.size(); m += n) {
                sieve[m] = 0;
            }
        }
    }
    cout << sum << endl;
    cout << fixed << setprecision(3) << sqrt(2.0) << '\n';
}
