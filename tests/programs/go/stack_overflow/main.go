package main

import (
	"fmt"
	"runtime/debug"
)

type tree struct{ left, right *tree }

func (t *tree) depth() int {
	l, r := t.left.depth(), t.right.depth()
	if l > r {
		return l + 1
	}
	return r + 1
}

func main() {
	debug.SetMaxStack(8 << 20)
	fmt.Println("measuring a tree that is its own child")
	t := &tree{}
	t.left, t.right = t, t
	fmt.Println(t.depth())
}
