package main

import (
	"container/list"
	"fmt"
	"os"
	"sync"
	"text/template"
)

type bank struct {
	mu       sync.RWMutex
	balances map[string]int
}

func (b *bank) transfer(from, to string, amount int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.balances[from] -= amount
	b.balances[to] += amount
}

type lru struct {
	size  int
	order *list.List
	index map[int]*list.Element
}

func (c *lru) touch(key int) (evicted int) {
	if e, ok := c.index[key]; ok {
		c.order.MoveToFront(e)
		return -1
	}
	c.index[key] = c.order.PushFront(key)
	if c.order.Len() <= c.size {
		return -1
	}
	last := c.order.Back()
	c.order.Remove(last)
	delete(c.index, last.Value.(int))
	return last.Value.(int)
}

var report = template.Must(template.New("report").Parse(
	`{{range $name, $sum := .}}{{printf "%-5s %5d" $name $sum}}
{{end}}`))

func main() {
	b := &bank{balances: map[string]int{"ada": 1000, "bob": 1000, "cy": 1000}}
	var group sync.WaitGroup
	for i := 0; i < 200; i++ {
		group.Add(3)
		go func() { defer group.Done(); b.transfer("ada", "bob", 3) }()
		go func() { defer group.Done(); b.transfer("bob", "cy", 2) }()
		go func() { defer group.Done(); b.transfer("cy", "ada", 1) }()
	}
	group.Wait()
	if err := report.Execute(os.Stdout, b.balances); err != nil {
		panic(err)
	}
	cache := &lru{3, list.New(), map[int]*list.Element{}}
	for _, k := range []int{1, 2, 3, 1, 4, 2, 5} {
		fmt.Print(cache.touch(k), " ")
	}
	fmt.Println()
}
