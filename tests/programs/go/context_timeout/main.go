package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

func fetch(ctx context.Context, name string, takes time.Duration) (string, error) {
	timer := time.NewTimer(takes)
	defer timer.Stop()
	select {
	case <-timer.C:
		return name + ": done", nil
	case <-ctx.Done():
		return "", fmt.Errorf("%s: %w", name, ctx.Err())
	}
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	names := []string{"fast", "slow"}
	takes := []time.Duration{time.Millisecond, time.Minute}
	results := make([]string, len(names))
	var group sync.WaitGroup
	var late int64
	for i := range names {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			text, err := fetch(ctx, names[i], takes[i])
			if errors.Is(err, context.DeadlineExceeded) {
				atomic.AddInt64(&late, 1)
				text = err.Error()
			}
			results[i] = text
		}(i)
	}
	group.Wait()
	for _, r := range results {
		fmt.Println(r)
	}
	fmt.Println("late:", late)
}
