package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

type address struct {
	City string `json:"city"`
	Zip  string `json:"zip,omitempty"`
}

type person struct {
	Name    string            `json:"name"`
	Born    time.Time         `json:"born"`
	Emails  []string          `json:"emails"`
	Address *address          `json:"address"`
	Tags    map[string]string `json:"tags,omitempty"`
	secret  string
}

func main() {
	decoder := json.NewDecoder(os.Stdin)
	decoder.DisallowUnknownFields()
	var people []person
	for decoder.More() {
		var p person
		if err := decoder.Decode(&p); err != nil {
			fmt.Println("refused:", err)
			break
		}
		p.secret = strings.Repeat("*", len(p.Name))
		people = append(people, p)
	}
	for _, p := range people {
		city := "-"
		if p.Address != nil {
			city = p.Address.City
		}
		fmt.Println(p.Name, p.Born.Year(), len(p.Emails), city)
	}
	out, err := json.MarshalIndent(people[0], "", "  ")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(string(out))
}
