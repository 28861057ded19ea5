// tries = "the directives that only cgo's own output may hold"
// verdict = "compile_error"
package main

//go:cgo_ldflag "-Wl,-rpath,/box"
//go:cgo_import_dynamic libc_system system "libc.so.6"
//go:cgo_import_static x
//go:cgo_dynamic_linker "/box/evil"
import "fmt"

//go:generate sh -c "id > /tmp/ran"
func main() { fmt.Println() }
