// tries = "become root from all threads at once"
// verdict = "nonzero_exit"
// stderr = "function not implemented|operation not permitted"
package main

import "syscall"

func main() {
	if err := syscall.Setuid(0); err != nil {
		panic(err)
	}
}
