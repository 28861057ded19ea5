package main

import "fmt"

type account struct {
	owner   string
	history []int
}

func (a *account) last() int { return a.history[len(a.history)-1] }

func main() {
	defer fmt.Println("deferred calls still run")
	accounts := map[string]*account{"ada": {owner: "Ada", history: []int{5}}}
	fmt.Println(accounts["ada"].last())
	accounts["ada"].history = nil
	fmt.Println(accounts["ada"].last())
}
