// tries = "call the legacy vsyscall page and a number beyond the table"
// verdict = "ok"
// stdout = "ENOSYS"
package main

import (
	"fmt"
	"syscall"
)

func main() {
	for _, number := range []uintptr{470, 511, 9999, 0x3fffffff} {
		_, _, errno := syscall.RawSyscall(number, 0, 0, 0)
		if errno != syscall.ENOSYS {
			panic(errno)
		}
	}
	fmt.Println("ENOSYS")
}
