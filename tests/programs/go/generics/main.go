package main

import (
	"errors"
	"fmt"
	"strings"
)

type Number interface {
	~int | ~int64 | ~float64
}

type Ordered interface {
	~int | ~int64 | ~float64 | ~string
}

func Map[T, U any](in []T, f func(T) U) []U {
	out := make([]U, 0, len(in))
	for _, v := range in {
		out = append(out, f(v))
	}
	return out
}

func Filter[T any](in []T, keep func(T) bool) []T {
	var out []T
	for _, v := range in {
		if keep(v) {
			out = append(out, v)
		}
	}
	return out
}

func Sum[T Number](in []T) (total T) {
	for _, v := range in {
		total += v
	}
	return total
}

type Tree[K Ordered, V any] struct {
	root *node[K, V]
	size int
}

type node[K Ordered, V any] struct {
	key         K
	value       V
	left, right *node[K, V]
}

func (t *Tree[K, V]) Put(key K, value V) {
	at := &t.root
	for *at != nil {
		switch {
		case key < (*at).key:
			at = &(*at).left
		case key > (*at).key:
			at = &(*at).right
		default:
			(*at).value = value
			return
		}
	}
	*at = &node[K, V]{key: key, value: value}
	t.size++
}

func (t *Tree[K, V]) Walk(visit func(K, V)) {
	var walk func(*node[K, V])
	walk = func(n *node[K, V]) {
		if n != nil {
			walk(n.left)
			visit(n.key, n.value)
			walk(n.right)
		}
	}
	walk(t.root)
}

type Stack[T any] struct{ items []T }

var errEmpty = errors.New("stack is empty")

func (s *Stack[T]) Push(v T) { s.items = append(s.items, v) }

func (s *Stack[T]) Pop() (T, error) {
	var zero T
	if len(s.items) == 0 {
		return zero, errEmpty
	}
	v := s.items[len(s.items)-1]
	s.items = s.items[:len(s.items)-1]
	return v, nil
}

type Celsius float64

func main() {
	squares := Map([]int{1, 2, 3, 4, 5}, func(n int) int { return n * n })
	fmt.Println(squares, Sum(squares))
	odd := Filter(squares, func(n int) bool { return n%2 == 1 })
	fmt.Println(strings.Join(Map(odd, func(n int) string { return fmt.Sprintf("<%d>", n) }), " "))
	fmt.Printf("%.1f\n", Sum([]Celsius{20.5, -3.25, 1.75}))

	var tree Tree[string, int]
	for i, word := range strings.Fields("the quick brown fox jumps over the lazy dog") {
		tree.Put(word, i)
	}
	tree.Walk(func(k string, v int) { fmt.Printf("%s=%d ", k, v) })
	fmt.Println(tree.size)

	var s Stack[rune]
	for _, r := range "añb" {
		s.Push(r)
	}
	for {
		r, err := s.Pop()
		if err != nil {
			fmt.Println(err)
			break
		}
		fmt.Printf("%c ", r)
	}
}
