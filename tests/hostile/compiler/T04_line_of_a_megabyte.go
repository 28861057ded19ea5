// tries = "a string constant of 1 MB in one line"
// verdict = "ok"
// stderr = "\\A1000000\n\\Z"
// expand = [{ token = "@LONG@", text = "a", count = 1000000 }]
package main

const s = "@LONG@"

func main() { println(len(s)) }
