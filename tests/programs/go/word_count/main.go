package main

import (
	"bufio"
	"fmt"
	"os"
	"sort"
	"strings"
	"unicode"
)

func main() {
	counts := map[string]int{}
	lines := 0
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		lines++
		words := strings.FieldsFunc(strings.ToLower(scanner.Text()), func(r rune) bool {
			return !unicode.IsLetter(r) && r != '\''
		})
		for _, w := range words {
			counts[w]++
		}
	}
	type entry struct {
		word string
		n    int
	}
	var entries []entry
	for w, n := range counts {
		entries = append(entries, entry{w, n})
	}
	sort.Slice(entries, func(i, j int) bool {
		if entries[i].n != entries[j].n {
			return entries[i].n > entries[j].n
		}
		return entries[i].word < entries[j].word
	})
	fmt.Printf("%d lines, %d words\n", lines, len(entries))
	for _, e := range entries[:5] {
		fmt.Printf("%-6s %d\n", e.word, e.n)
	}
}
