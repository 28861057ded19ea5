package main

import "fmt"

func generate(done <-chan struct{}) <-chan int {
	out := make(chan int)
	go func() {
		defer close(out)
		for i := 2; ; i++ {
			select {
			case out <- i:
			case <-done:
				return
			}
		}
	}()
	return out
}

func filter(done <-chan struct{}, in <-chan int, prime int) <-chan int {
	out := make(chan int)
	go func() {
		defer close(out)
		for n := range in {
			if n%prime == 0 {
				continue
			}
			select {
			case out <- n:
			case <-done:
				return
			}
		}
	}()
	return out
}

func main() {
	done := make(chan struct{})
	defer close(done)
	numbers := generate(done)
	for i := 0; i < 100; i++ {
		prime := <-numbers
		if i < 10 || i >= 97 {
			fmt.Print(prime, " ")
		}
		numbers = filter(done, numbers, prime)
	}
	fmt.Println()
}
