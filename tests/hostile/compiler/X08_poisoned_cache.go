// tries = "change the compiler's cache and the system's packages for the next job"
// verdict = "ok"
// stdout = "\\A0 written\n\\Z"
// timeout = "10s"
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

func main() {
	written, seen := 0, 0
	for _, root := range []string{"/cache", "/usr/local/go", "/usr/lib/go", "/usr/lib/go-1.19", "/usr/share/go-1.19"} {
		filepath.Walk(root, func(path string, info os.FileInfo, err error) error {
			if err != nil || seen > 20000 {
				return nil
			}
			seen++
			if info.IsDir() {
				if os.WriteFile(filepath.Join(path, "evil"), []byte("x"), 0o644) == nil {
					written++
				}
			} else if file, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
				file.Close()
				written++
			} else if os.Remove(path) == nil || os.Chmod(path, 0o777) == nil || syscall.Truncate(path, 0) == nil {
				written++
			}
			return nil
		})
	}
	fmt.Println(written, "written")
}
