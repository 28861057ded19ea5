// tries = "a system call of the 32-bit architecture, which the filter's numbers do not mean"
// verdict = "policy_violation"
// signal = 31
package main

import (
	"syscall"
	"unsafe"
)

func main() {
	// mov eax, 20 (getpid of i386); int 0x80; ret
	code := []byte{0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3}
	page, err := syscall.Mmap(-1, 0, 4096, syscall.PROT_READ|syscall.PROT_WRITE|syscall.PROT_EXEC,
		syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		panic(err)
	}
	copy(page, code)
	entry := uintptr(unsafe.Pointer(&page[0]))
	pointer := unsafe.Pointer(&entry)
	call := *(*func())(unsafe.Pointer(&pointer))
	call()
	println("survived")
}
