// tries = "10 000 system threads"
// verdict = ["nonzero_exit", "process_limit", "signalled"]
// max_processes = 64
// stderr = "failed to create new OS thread|resource temporarily unavailable|thread"
package main

import (
	"runtime"
	"runtime/debug"
	"time"
)

func main() {
	debug.SetTraceback("none") // thousands of goroutines are more than the output may be
	for i := 0; i < 10000; i++ {
		go func() {
			runtime.LockOSThread()
			time.Sleep(time.Hour)
		}()
	}
	time.Sleep(time.Hour)
}
