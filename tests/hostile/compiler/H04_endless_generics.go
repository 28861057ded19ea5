// tries = "generic types that instantiate themselves for ever"
// verdict = "compile_error"
package main

type T[A any] struct{ next *T[[2]A] }

func f[A any](n int) {
	if n > 0 {
		f[[2]A](n - 1)
	}
}

func main() { f[int](100); var t T[int]; _ = t }
