import math
from decimal import Decimal, getcontext
from fractions import Fraction
from statistics import mean, median, stdev


def pi_digits(count):
    """Gibbons' spigot."""
    q, r, t, k, n, l = 1, 0, 1, 1, 3, 3
    digits = []
    while len(digits) < count:
        if 4 * q + r - t < n * t:
            digits.append(n)
            q, r, n = 10 * q, 10 * (r - n * t), 10 * (3 * q + r) // t - 10 * n
        else:
            q, r, t, k, n, l = (
                q * k, (2 * q + r) * l, t * l, k + 1, (q * (7 * k + 2) + r * l) // (t * l), l + 2)
    return "".join(map(str, digits))


print(pi_digits(60))
print(2**200, (2**200).bit_length())
print(math.comb(100, 50), math.gcd(2**40 - 1, 2**32 - 1))
print(pow(3, -1, 10**9 + 7), math.isqrt(10**40 + 1))
print(sum(Fraction(1, n) for n in range(1, 21)))
getcontext().prec = 50
print(Decimal(2).sqrt())
print(sum(map(int, str(math.factorial(1000)))))
data = [2, 4, 4, 4, 5, 5, 7, 9]
print(mean(data), median(data), round(stdev(data), 6))
