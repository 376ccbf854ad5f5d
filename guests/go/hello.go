// A command written in Go: says hello, counts the words of its standard input, and uses what a Go runtime needs
// underneath (goroutines, timers, maps).
package main

import (
	"bufio"
	"fmt"
	"os"
	"sync"
	"time"
)

func main() {
	who := "world"
	if len(os.Args) > 1 {
		who = os.Args[1]
	}
	fmt.Printf("hello, %s, from go\n", who)

	words := bufio.NewScanner(os.Stdin)
	words.Split(bufio.ScanWords)
	count := 0
	for words.Scan() {
		count++
	}
	if err := words.Err(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}

	var group sync.WaitGroup
	results := make(chan int, 4)
	for worker := range 4 {
		group.Add(1)
		go func() {
			defer group.Done()
			time.Sleep(time.Millisecond)
			results <- worker
		}()
	}
	group.Wait()
	close(results)
	sum := 0
	for result := range results {
		sum += result
	}
	fmt.Printf("words %d, workers %d\n", count, sum)
}
