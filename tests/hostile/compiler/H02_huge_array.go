// tries = "an array of 1 PiB, and a program of 2 GiB"
// verdict = "compile_error"
package main

var zero [1 << 50]byte
var data = [1 << 28]uint64{1<<28 - 1: 1}

func main() { println(len(zero), data[0]) }
