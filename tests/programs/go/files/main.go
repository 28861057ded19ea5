package main

import (
	"bufio"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	check(os.MkdirAll("data/deep/er", 0o755))
	for i := 0; i < 5; i++ {
		name := filepath.Join("data", fmt.Sprintf("part-%d.txt", i))
		check(os.WriteFile(name, []byte(strings.Repeat(fmt.Sprintln("line", i), 1000)), 0o600))
	}
	check(os.Rename("data/part-4.txt", "data/deep/er/last.txt"))
	check(os.Remove("data/part-0.txt"))
	check(filepath.WalkDir("data", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		lines := 0
		for s := bufio.NewScanner(f); s.Scan(); {
			lines++
		}
		content, err := os.ReadFile(path)
		fmt.Printf("%s %d %x\n", path, lines, sha256.Sum256(content))
		return err
	}))
	temp, err := os.CreateTemp("", "scratch-*")
	check(err)
	defer os.Remove(temp.Name())
	_, err = temp.WriteAt([]byte("sparse"), 1<<20)
	check(err)
	info, err := temp.Stat()
	check(err)
	fmt.Println("temp file size", info.Size())
}
