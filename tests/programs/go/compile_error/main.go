package main

import (
	"fmt"
	"os"
)

type shape interface {
	area() float64
}

type square struct{ side float64 }

func main() {
	var s shape = square{2}
	count := 3
	fmt.Println("area", s.area()+"m")
}
