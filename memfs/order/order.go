// Package order sorts, as package slices does, with one copy of the machine code for lists of all types: the core module has
// a dozen of them, and must stay small.
package order

// SortFunc is slices.SortStableFunc.
func SortFunc[T any](list []T, cmp func(a, b T) int) {
	places := sorted(len(list), func(i, j int32) bool { return cmp(list[i], list[j]) > 0 })
	old := append([]T(nil), list...)
	for i, place := range places {
		list[i] = old[place]
	}
}

// sorted answers the numbers below n in their order, by merging runs that get twice as long. What is in order already costs n calls of after.
func sorted(n int, after func(i, j int32) bool) []int32 {
	list, left := make([]int32, n), make([]int32, 0, n)
	for i := range list {
		list[i] = int32(i)
	}
	for run := 1; run < n; run *= 2 {
		for begin := 0; begin+run < n; begin += 2 * run {
			middle, end := begin+run, min(begin+2*run, n)
			if !after(list[middle-1], list[middle]) {
				continue
			}
			left = append(left[:0], list[begin:middle]...)
			i, j := 0, middle
			for to := begin; i < len(left); to++ {
				if j < end && after(left[i], list[j]) {
					list[to] = list[j]
					j++
				} else {
					list[to] = left[i]
					i++
				}
			}
		}
	}
	return list
}
