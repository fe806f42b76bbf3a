// Package order sorts, as package slices does, with one copy of the machine code for lists of all types: the core module has
// a dozen of them, and must stay small. It takes two to three times as long.
package order

import "sort"

// SortFunc is slices.SortFunc.
func SortFunc[T any](list []T, cmp func(a, b T) int) { sort.Sort(by(list, cmp)) }

// SortStableFunc is slices.SortStableFunc.
func SortStableFunc[T any](list []T, cmp func(a, b T) int) { sort.Stable(by(list, cmp)) }

func by[T any](list []T, cmp func(a, b T) int) sort.Interface {
	return &sorter{
		n:    len(list),
		less: func(i, j int) bool { return cmp(list[i], list[j]) < 0 },
		swap: func(i, j int) { list[i], list[j] = list[j], list[i] },
	}
}

type sorter struct {
	n    int
	less func(i, j int) bool
	swap func(i, j int)
}

func (s *sorter) Len() int           { return s.n }
func (s *sorter) Less(i, j int) bool { return s.less(i, j) }
func (s *sorter) Swap(i, j int)      { s.swap(i, j) }
