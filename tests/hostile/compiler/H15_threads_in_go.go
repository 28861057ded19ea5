// tries = "10 000 system threads"
// verdict = ["nonzero_exit", "process_limit", "signalled"]
// max_processes = 64
// stderr = "failed to create new OS thread|resource temporarily unavailable|thread"
package main

import (
	"runtime"
	"time"
)

// One after the other, so that what Go prints at its end is no more goroutines than there are threads.
func main() {
	started := make(chan bool)
	for i := 0; i < 10000; i++ {
		go func() {
			runtime.LockOSThread()
			started <- true
			time.Sleep(time.Hour)
		}()
		<-started
	}
	time.Sleep(time.Hour)
}
