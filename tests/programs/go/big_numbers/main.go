package main

import (
	"fmt"
	"math/big"
)

func factorial(n int64) *big.Int {
	result := big.NewInt(1)
	for i := int64(2); i <= n; i++ {
		result.Mul(result, big.NewInt(i))
	}
	return result
}

func fibonacci(n int) *big.Int {
	a, b := big.NewInt(0), big.NewInt(1)
	for i := 0; i < n; i++ {
		a.Add(a, b)
		a, b = b, a
	}
	return a
}

func main() {
	fmt.Println("30! =", factorial(30))
	fmt.Println("fib(200) =", fibonacci(200))
	digits := factorial(2000).String()
	sum := 0
	for _, d := range digits {
		sum += int(d - '0')
	}
	fmt.Println("2000! has", len(digits), "digits, their sum is", sum)

	mersenne := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 521), big.NewInt(1))
	fmt.Println("2^521-1 is prime:", mersenne.ProbablyPrime(20))
	third := big.NewRat(1, 3)
	sixth := big.NewRat(1, 6)
	fmt.Println("1/3 + 1/6 =", new(big.Rat).Add(third, sixth))
	fmt.Println("7^-1 mod 1000000007 =", new(big.Int).ModInverse(big.NewInt(7), big.NewInt(1000000007)))
}
