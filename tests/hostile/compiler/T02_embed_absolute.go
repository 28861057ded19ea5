// tries = "embed a file of the host by its absolute name"
// verdict = "compile_error"
// compile_stderr = "pattern|embed"
package main

import (
	_ "embed"
	"fmt"
)

//go:embed /etc/passwd
var secret string

func main() { fmt.Print(secret) }
