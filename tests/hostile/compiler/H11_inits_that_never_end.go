// tries = "work before main"
// verdict = "time_limit"
// timeout = "500ms"
package main

var x = func() int {
	for {
	}
}()

func main() { println(x) }
