package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	out := bufio.NewWriterSize(os.Stdout, 1<<16)
	defer out.Flush()
	for i := 0; i < 1000000; i++ {
		fmt.Fprintf(out, "%09d\n", i)
	}
}
