package main

import (
	"fmt"
	"sync"
)

func main() {
	var a, b sync.Mutex
	ready := make(chan struct{})
	fmt.Println("two philosophers sit down")
	b.Lock()
	go func() {
		a.Lock()
		close(ready)
		b.Lock()
	}()
	<-ready
	a.Lock()
	fmt.Println("never reached")
}
