// tries = "constants whose evaluation takes the compiler's time and memory"
// verdict = "compile_error"
package main

const a = 1 << 500
const b = a * a * a * a
const c = 1 << 1000000000

func main() { println(c) }
