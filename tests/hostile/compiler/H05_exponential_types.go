// tries = "types that double with each line"
// verdict = "compile_error"
package main

type a [1 << 10]byte
type b struct{ a, b, c, d, e, f, g, h a }
type c [1 << 10]b
type d [1 << 10]c
type e [1 << 10]d

func f(x e) e { return x }

func main() { var x e; y := f(x); println(len(y)) }
