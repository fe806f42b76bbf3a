package jsontext

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is written is what encoding/json reads, whatever the strings and numbers are.
func TestWhatIsWrittenIsWhatIsRead(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	odd := []string{"", "\"", "\\", "\x00", "\x1f", "\x7f", "\n\r\t", "é", "\u2028", "\U0001f600", "\xff", "\xed\xa0\x80", "\xc3", "</script>", "a", ",", "{", "[", ":"}
	str := func() (s string) {
		for range rnd.IntN(6) {
			s += odd[rnd.IntN(len(odd))]
		}
		return s
	}
	num := func() int64 {
		switch rnd.IntN(4) {
		case 0:
			return []int64{0, 1, -1, 999_999, 1_000_000, -999_999, math.MaxInt64, math.MinInt64}[rnd.IntN(8)]
		case 1:
			return int64(rnd.Uint64())
		}
		return rnd.Int64N(1<<41) * 1e6
	}
	type item struct {
		S    string
		N    int64
		B    bool
		M    json.Number
		List []string
	}
	for range 3000 {
		var want []item
		text := Text(nil).Open('[')
		for range rnd.IntN(4) {
			ns := num()
			i := item{S: str(), N: num(), B: rnd.IntN(2) == 0, List: []string{}}
			text = text.Open('{').Key("S").String(i.S).Key("N").Int(i.N).Key("B").Bool(i.B).Key("M").Millis(ns).Key("List").Open('[')
			for range rnd.IntN(3) {
				i.List = append(i.List, str())
				text = text.String(i.List[len(i.List)-1])
			}
			text = text.Close(']').Close('}')
			b, err := json.Marshal(i.S)
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(b, &i.S)) // what is not UTF-8 is lost in the same way
			for n := range i.List {
				b, err := json.Marshal(i.List[n])
				require.NoError(t, err)
				require.NoError(t, json.Unmarshal(b, &i.List[n]))
			}
			i.M = json.Number(decimal(ns))
			want = append(want, i)
		}
		text = text.Close(']')
		var got []item
		require.NoError(t, json.Unmarshal(text, &got), "%s", text)
		require.Equal(t, len(want), len(got))
		for i := range want {
			require.Equal(t, want[i], got[i], "%s", text)
		}
	}
}

// decimal is ns / 1e6, exactly.
func decimal(ns int64) string {
	size := uint64(ns)
	if ns < 0 {
		size = -size
	}
	digits := strconv.FormatUint(size, 10)
	for len(digits) < 7 {
		digits = "0" + digits
	}
	whole, rest := digits[:len(digits)-6], digits[len(digits)-6:]
	if rest != "000000" {
		whole += "." + rest
	}
	if ns < 0 {
		whole = "-" + whole
	}
	return whole
}
