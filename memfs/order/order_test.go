package order

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestItSortsAsSlicesDoes(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	type pair struct{ key, place int }
	byKey := func(a, b pair) int { return a.key - b.key }
	for range 300 {
		list := make([]pair, r.IntN(200))
		for i := range list {
			list[i] = pair{r.IntN(20), i}
		}
		want := slices.Clone(list)
		slices.SortStableFunc(want, byKey)
		SortFunc(list, byKey)
		require.Equal(t, want, list)
	}
}

func BenchmarkSort(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	random := make([]int, 10_000)
	for i := range random {
		random[i] = r.IntN(1 << 30)
	}
	inOrder := slices.Sorted(slices.Values(random))
	compare := func(a, b int) int { return a - b }
	for name, list := range map[string][]int{"random": random, "in order": inOrder} {
		for by, sort := range map[string]func([]int, func(a, b int) int){"order": SortFunc[int], "slices": slices.SortFunc[[]int]} {
			b.Run(name+"/"+by, func(b *testing.B) {
				for range b.N {
					sort(slices.Clone(list), compare)
				}
			})
		}
	}
}
