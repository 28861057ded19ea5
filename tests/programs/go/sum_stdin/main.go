package main

import (
	"bufio"
	"fmt"
	"os"
	"sort"
)

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<16)
	var values []int
	n, inNumber, total := 0, false, 0
	for {
		b, err := in.ReadByte()
		if err == nil && b >= '0' && b <= '9' {
			n = n*10 + int(b-'0')
			inNumber = true
			continue
		}
		if inNumber {
			values = append(values, n)
			total += n
		}
		n, inNumber = 0, false
		if err != nil {
			break
		}
	}
	sort.Ints(values)
	fmt.Println(len(values), total, values[0], values[len(values)/2], values[len(values)-1])
}
