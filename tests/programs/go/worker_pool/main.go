package main

import (
	"fmt"
	"sort"
	"sync"
)

type job struct{ id, n int }

type answer struct {
	id, steps int
}

func collatz(n int) int {
	steps := 0
	for n != 1 {
		if n%2 == 0 {
			n /= 2
		} else {
			n = 3*n + 1
		}
		steps++
	}
	return steps
}

func main() {
	jobs := make(chan job)
	answers := make(chan answer, 16)
	var workers sync.WaitGroup
	for w := 0; w < 8; w++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for j := range jobs {
				answers <- answer{j.id, collatz(j.n)}
			}
		}()
	}
	go func() {
		for i := 1; i <= 5000; i++ {
			jobs <- job{i, i}
		}
		close(jobs)
		workers.Wait()
		close(answers)
	}()

	var all []answer
	for a := range answers {
		all = append(all, a)
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].steps != all[j].steps {
			return all[i].steps > all[j].steps
		}
		return all[i].id < all[j].id
	})
	fmt.Println("answers:", len(all))
	for _, a := range all[:3] {
		fmt.Printf("%d takes %d steps\n", a.id, a.steps)
	}
}
