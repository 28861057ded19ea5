package main

import (
	"bufio"
	"container/heap"
	"fmt"
	"os"
)

type edge struct{ to, weight int }

type item struct{ node, dist int }

type queue []item

func (q queue) Len() int            { return len(q) }
func (q queue) Less(i, j int) bool  { return q[i].dist < q[j].dist }
func (q queue) Swap(i, j int)       { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x interface{}) { *q = append(*q, x.(item)) }
func (q *queue) Pop() interface{} {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

const unreachable = int(^uint(0) >> 1)

func shortest(graph [][]edge, from int) ([]int, []int) {
	dist := make([]int, len(graph))
	parent := make([]int, len(graph))
	for i := range dist {
		dist[i] = unreachable
		parent[i] = -1
	}
	dist[from] = 0
	q := &queue{{from, 0}}
	for q.Len() > 0 {
		current := heap.Pop(q).(item)
		if current.dist > dist[current.node] {
			continue
		}
		for _, e := range graph[current.node] {
			if d := current.dist + e.weight; d < dist[e.to] {
				dist[e.to] = d
				parent[e.to] = current.node
				heap.Push(q, item{e.to, d})
			}
		}
	}
	return dist, parent
}

func main() {
	in := bufio.NewReader(os.Stdin)
	var nodes, edges int
	fmt.Fscan(in, &nodes, &edges)
	graph := make([][]edge, nodes)
	for i := 0; i < edges; i++ {
		var a, b, w int
		fmt.Fscan(in, &a, &b, &w)
		graph[a] = append(graph[a], edge{b, w})
		graph[b] = append(graph[b], edge{a, w})
	}
	dist, parent := shortest(graph, 0)
	for node := range graph {
		if dist[node] == unreachable {
			fmt.Printf("%d: unreachable\n", node)
			continue
		}
		path := []int{}
		for at := node; at != -1; at = parent[at] {
			path = append([]int{at}, path...)
		}
		fmt.Printf("%d: %d via %v\n", node, dist[node], path)
	}
}
