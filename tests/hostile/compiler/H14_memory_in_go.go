// tries = "a memory bomb in many goroutines"
// verdict = "memory_limit"
// needs = ["cgroup"]
package main

func main() {
	for i := 0; i < 100; i++ {
		go func() {
			var kept [][]byte
			for {
				block := make([]byte, 1<<20)
				for j := range block {
					block[j] = 1
				}
				kept = append(kept, block)
			}
		}()
	}
	select {}
}
