// tries = "replace its own binary and run it again"
// verdict = "ok"
// stdout = "second"
package main

import (
	"fmt"
	"os"
	"syscall"
)

func main() {
	if len(os.Args) > 1 {
		fmt.Println("second", os.Getuid())
		return
	}
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		panic(err)
	}
	os.Remove("main")
	if err := os.WriteFile("main", data, 0o4755); err != nil {
		panic(err)
	}
	panic(syscall.Exec("./main", []string{"main", "again"}, nil))
}
