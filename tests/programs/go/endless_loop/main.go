package main

import "fmt"

func isPerfect(n int) bool {
	sum := 1
	for d := 2; d*d <= n; d++ {
		if n%d == 0 {
			sum += d + n/d
		}
	}
	return n > 1 && sum == n
}

func main() {
	// There is no odd perfect number in reach: the search does not end.
	fmt.Println("searching")
	for n := 3; ; n += 2 {
		if isPerfect(n) {
			fmt.Println(n)
			return
		}
	}
}
