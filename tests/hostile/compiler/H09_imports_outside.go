// tries = "import by path, from the network and from the toolchain's inside"
// verdict = "compile_error"
package main

import (
	_ "../../../etc"
	_ "/etc"
	_ "cmd/go/internal/load"
	_ "example.com/evil"
	_ "internal/syscall/unix"
	_ "runtime/cgo"
)

func main() {}
