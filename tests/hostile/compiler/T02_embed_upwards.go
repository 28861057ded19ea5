// tries = "embed files above its folder"
// verdict = "compile_error"
// compile_stderr = "pattern|embed"
package main

import (
	"embed"
	"fmt"
)

//go:embed ../etc/* all:../../
var secret embed.FS

func main() { fmt.Print(secret) }
