package main

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strconv"
)

var line = regexp.MustCompile(`^(\S+) \S+ \S+ \[([^\]]+)\] "(GET|POST) ([^" ]+)[^"]*" (\d{3}) (\d+)$`)

func main() {
	bytes := map[string]int{}
	status := map[string]int{}
	bad := 0
	scanner := bufio.NewScanner(os.Stdin)
	for scanner.Scan() {
		m := line.FindStringSubmatch(scanner.Text())
		if m == nil {
			bad++
			continue
		}
		n, _ := strconv.Atoi(m[6])
		bytes[m[4]] += n
		status[m[5][:1]+"xx"]++
	}
	paths := make([]string, 0, len(bytes))
	for p := range bytes {
		paths = append(paths, p)
	}
	sort.Slice(paths, func(i, j int) bool { return bytes[paths[i]] > bytes[paths[j]] })
	for _, p := range paths {
		fmt.Printf("%6d %s\n", bytes[p], p)
	}
	fmt.Println(status, "bad:", bad)
	masked := regexp.MustCompile(`(\d+)\.(\d+)\.\d+\.\d+`).ReplaceAllString("from 192.168.7.9", "$1.$2.x.x")
	fmt.Println(masked)
}
