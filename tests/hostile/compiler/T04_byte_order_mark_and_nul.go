// tries = "NUL and a byte order mark in the middle of the source"
// verdict = "compile_error"
// expand = [{ token = "@NUL@", text = "\u0000" }, { token = "@BOM@", text = "\uFEFF" }]
package main

func main() { println("a@NUL@b@BOM@c") }
