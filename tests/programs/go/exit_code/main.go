package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
)

type parseError struct {
	token string
	err   error
}

func (e *parseError) Error() string { return "cannot parse " + strconv.Quote(e.token) }
func (e *parseError) Unwrap() error { return e.err }

func evaluate(tokens []string) (int, error) {
	total := 0
	for _, t := range tokens {
		n, err := strconv.Atoi(t)
		if err != nil {
			return total, fmt.Errorf("evaluate: %w", &parseError{t, err})
		}
		total += n
	}
	return total, nil
}

func main() {
	flag.Parse()
	total, err := evaluate([]string{"1", "2", "three"})
	fmt.Println("so far", total)
	var bad *parseError
	if errors.As(err, &bad) && errors.Is(err, strconv.ErrSyntax) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(7)
	}
}
