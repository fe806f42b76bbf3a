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
		want, stable, sorted := slices.Clone(list), slices.Clone(list), slices.Clone(list)
		slices.SortStableFunc(want, byKey)
		SortStableFunc(stable, byKey)
		require.Equal(t, want, stable)
		SortFunc(sorted, byKey)
		require.True(t, slices.IsSortedFunc(sorted, byKey))
		require.ElementsMatch(t, list, sorted)
	}
}
