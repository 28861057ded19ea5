package main

import "fmt"

type block struct {
	next *block
	data [1 << 20]byte
}

func main() {
	var head *block
	for n := 0; n < 2048; n++ {
		b := &block{next: head}
		for i := 0; i < len(b.data); i += 4096 {
			b.data[i] = byte(n)
		}
		head = b
	}
	count := 0
	for b := head; b != nil; b = b.next {
		count++
	}
	fmt.Println("kept", count)
}
