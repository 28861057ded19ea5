// tries = "a source of 1 MB with 10 000 functions"
// verdict = ["compile_error", "ok"]
// expand = [{ token = "/*MANY*/", text = "var _ = func() int { var a [9]int; for i := range a { a[i] = i }; return a[3] }()\n", count = 10000 }]
package main

/*MANY*/

func main() {}
