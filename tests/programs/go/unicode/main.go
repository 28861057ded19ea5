package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"unicode/utf8"
)

func reverse(s string) string {
	runes := []rune(s)
	for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
		runes[i], runes[j] = runes[j], runes[i]
	}
	return string(runes)
}

func main() {
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		s := scanner.Text()
		fmt.Println(len(s), utf8.RuneCountInString(s), strings.ToUpper(s), reverse(s))
	}
	fmt.Print("\u2028 \t\u0001\x1b[31mred\x1b[0m \u0000 \U0001F600\n")
}
