// tries = "link to the runtime's private functions"
// verdict = ["compile_error", "ok", "nonzero_exit"]
package main

import _ "unsafe"

//go:linkname setuid runtime.doInit
func setuid()

//go:linkname exec syscall.runtime_BeforeFork
func exec()

func main() { exec() }
