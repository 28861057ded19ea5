// tries = "run the C compiler and linker with flags of its own"
// verdict = "compile_error"
package main

// #cgo CFLAGS: -fplugin=/box/evil.so -include /etc/shadow
// #cgo LDFLAGS: -Wl,--version -o /tmp/x
// int one(void) { return 1; }
import "C"

func main() { println(C.one()) }
