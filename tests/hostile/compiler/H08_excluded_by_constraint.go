// tries = "a file that is built for another system only"
// verdict = ["ok", "compile_error"]

//go:build windows

package main

func main() {}
