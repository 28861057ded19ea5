// tries = "a program larger than the work folder"
// verdict = "compile_error"
package main

var data = [1 << 24]uint64{0: 1, 1<<24 - 1: 1}

func main() { println(data[len(data)-1]) }
