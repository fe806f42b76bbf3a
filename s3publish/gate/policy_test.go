package gate_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/s3publish/gate"
)

var id = strings.Repeat("ab", 32)

func grant(rights gate.Rights) gate.Grant { return gate.Grant{Volume: "site", Rights: rights} }

func TestWhatATokenAllows(t *testing.T) {
	otherID := strings.Repeat("cd", 32)
	put := func(key string, more gate.Request) gate.Request {
		more.Op, more.Key = gate.Put, key
		if more.Size == 0 {
			more.Size = 81
		}
		if more.SHA256 == "" {
			more.SHA256 = id
		}
		return more
	}
	none, match := gate.Request{IfNoneMatch: true}, gate.Request{IfMatch: `"etag"`}
	for _, c := range []struct {
		need gate.Rights // "": nobody may
		r    gate.Request
	}{
		{gate.Read, gate.Request{Op: gate.Get, Key: "heads/site"}},
		{gate.Read, gate.Request{Op: gate.Get, Key: "heads/site-branch"}},
		{gate.Read, gate.Request{Op: gate.Get, Key: "heads/site.2026~x"}},
		{gate.Read, gate.Request{Op: gate.Get, Key: "snapshots/" + id}},
		{gate.Read, gate.Request{Op: gate.Get, Key: "packs/" + id}},
		{gate.Read, gate.Request{Op: gate.List, Key: "heads/"}},
		{gate.Read, gate.Request{Op: gate.List, Key: "snapshots/"}},
		{gate.Read, gate.Request{Op: gate.List, Key: "packs/0f", After: "packs/" + id}},
		{gate.Write, put("heads/site", none)},
		{gate.Write, put("heads/site", match)},
		{gate.Write, put("heads/site-branch", none)},
		{gate.Write, put("snapshots/"+id, none)},
		{gate.Write, put("snapshots/"+id, gate.Request{})},
		{gate.Write, put("packs/"+id, none)},
		{gate.Write, put("packs/"+id, gate.Request{Size: gate.MaxPack})},
		{gate.Prune, gate.Request{Op: gate.Delete, Key: "packs/" + id}},
		{gate.Prune, gate.Request{Op: gate.Delete, Key: "snapshots/" + id}},
		{gate.Prune, gate.Request{Op: gate.Delete, Key: "heads/site-branch"}},

		{gate.Read, gate.Request{Op: gate.List, Key: "checks/ABC"}},
		{gate.Read, gate.Request{Op: gate.Get, Key: "checks/ABC234"}},
		{gate.Write, put("checks/ABC234", gate.Request{})},
		{gate.Write, gate.Request{Op: gate.Delete, Key: "checks/ABC234"}},
		{"", gate.Request{Op: gate.Get, Key: "checks/"}},
		{"", gate.Request{Op: gate.Get, Key: "checks/.."}},
		{"", gate.Request{Op: gate.Get, Key: "checks/a/b"}},
		{"", gate.Request{Op: gate.Get, Key: "checks/a\xc3\xa9"}},
		{"", put("checks/"+strings.Repeat("A", 65), gate.Request{})},
		{"", put("checks/A", gate.Request{Size: gate.MaxHead + 1})},

		// Another volume.
		{"", gate.Request{Op: gate.Get, Key: "heads/other"}},
		{"", gate.Request{Op: gate.Get, Key: "heads/sit"}},
		{"", gate.Request{Op: gate.Get, Key: "heads/site2"}},
		{"", gate.Request{Op: gate.Get, Key: "heads/Site"}},
		{"", put("heads/other", none)},
		// Not a name that Holdfast makes.
		{"", gate.Request{Op: gate.Get, Key: ""}},
		{"", gate.Request{Op: gate.Get, Key: "heads/"}},
		{"", gate.Request{Op: gate.Get, Key: "secrets/" + id}},
		{"", gate.Request{Op: gate.Get, Key: "packs/" + id + "0"}},
		{"", gate.Request{Op: gate.Get, Key: "packs/" + id[1:]}},
		{"", gate.Request{Op: gate.Get, Key: "packs/" + strings.ToUpper(id)}},
		{"", gate.Request{Op: gate.Get, Key: "packs/" + strings.Repeat("zz", 32)}},
		{"", gate.Request{Op: gate.Get, Key: "heads/site-" + strings.Repeat("x", 300)}},
		// Tricks with paths.
		{"", gate.Request{Op: gate.Get, Key: "../other/heads/other"}},
		{"", gate.Request{Op: gate.Get, Key: "heads/../heads/site"}},
		{"", gate.Request{Op: gate.Get, Key: "heads/site/../other"}},
		{"", gate.Request{Op: gate.Get, Key: "heads/site-/../../other"}},
		{"", gate.Request{Op: gate.Get, Key: "heads/site-%2e%2e%2fother"}},
		{"", gate.Request{Op: gate.Get, Key: `heads/site-\..\other`}},
		{"", gate.Request{Op: gate.Get, Key: "/heads/site"}},
		{"", gate.Request{Op: gate.Get, Key: "heads//site"}},
		{"", gate.Request{Op: gate.Get, Key: "heads/site "}},
		{"", gate.Request{Op: gate.Get, Key: "heads/site-\x00"}},
		{"", gate.Request{Op: gate.Get, Key: "heads/site-?x"}},
		{"", gate.Request{Op: gate.Get, Key: "heads/site-ü"}},
		{"", gate.Request{Op: gate.List, Key: ""}},
		{"", gate.Request{Op: gate.List, Key: "heads"}},
		{"", gate.Request{Op: gate.List, Key: "heads/.."}},
		{"", gate.Request{Op: gate.List, Key: "heads/a/../.."}},
		{"", gate.Request{Op: gate.List, Key: "../"}},
		{"", gate.Request{Op: gate.List, Key: "packs/", After: "../x"}},
		// Content that is not what the name says, or that nobody vouches for.
		{"", put("packs/"+otherID, none)},
		{"", put("snapshots/"+otherID, none)},
		{"", put("packs/"+id, gate.Request{SHA256: strings.ToUpper(id)})},
		{"", put("packs/"+id, gate.Request{SHA256: "UNSIGNED-PAYLOAD"})},
		{"", put("heads/site", gate.Request{SHA256: "UNSIGNED-PAYLOAD", IfNoneMatch: true})},
		{"", put("packs/"+id, gate.Request{Size: -1})},
		{"", put("packs/"+id, gate.Request{Size: gate.MaxPack + 1})},
		{"", put("snapshots/"+id, gate.Request{Size: gate.MaxSnapshot + 1})},
		{"", put("heads/site", gate.Request{Size: gate.MaxHead + 1, IfNoneMatch: true})},
		// A head that would be overwritten whatever it is.
		{"", put("heads/site", gate.Request{})},
		{"", put("heads/site", gate.Request{IfMatch: "*"})},
		{"", put("heads/site", gate.Request{IfMatch: `"*"`, IfNoneMatch: true})},
		{"", put("heads/site", gate.Request{IfMatch: `"a","b"`})},
		{"", put("heads/site", gate.Request{IfMatch: `"a", "b"`})},
		{"", put("heads/site", gate.Request{IfMatch: `"a,b"`})},
		{"", put("heads/site", gate.Request{IfMatch: `W/"a"`})},
		{"", put("heads/site", gate.Request{IfMatch: "\"a\"\r\nX: y"})},
		{"", put("heads/site", gate.Request{IfMatch: `a`})},
		{"", put("heads/site", gate.Request{IfMatch: `"a`})},
		{"", put("packs/"+id, gate.Request{IfMatch: `*`})},
		// What nobody may.
		{"", gate.Request{Op: gate.Delete, Key: "heads/site"}},
		{"", gate.Request{Op: gate.Delete, Key: "heads/other"}},
		{"", gate.Request{Op: "copy", Key: "heads/site"}},
		{"", gate.Request{Key: "heads/site"}},
	} {
		may := c.need != ""
		for _, rights := range []gate.Rights{gate.Prune, gate.Write, gate.Read} {
			err := grant(rights).Allow(c.r)
			if may {
				require.NoError(t, err, "%s: %+v", rights, c.r)
			} else {
				require.ErrorIs(t, err, gate.ErrRefused, "%s: %+v", rights, c.r)
			}
			may = may && rights != c.need
		}
		require.ErrorIs(t, grant("").Allow(c.r), gate.ErrRefused)
	}
}

// The rules for names are written down twice, since package gate does not carry s3publish; here they meet.
func TestVolumesAndIdsAreThoseOfS3publish(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv("HOLDFAST_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("HOLDFAST_SEED=%d go test -run %s ./s3publish/gate", seed, t.Name())
	r := rand.New(rand.NewPCG(seed, 0))
	word := func(alphabet string, n int) string {
		var b strings.Builder
		for range n {
			b.WriteByte(alphabet[r.IntN(len(alphabet))])
		}
		return b.String()
	}
	names := []string{"", "a", ".", "..", "-", "a~b", strings.Repeat("a", 128), strings.Repeat("a", 129)}
	for range 2000 {
		names = append(names, word("aZ09._-", 1+r.IntN(5)), word("aZ09._-~/ \x00é%", 1+r.IntN(4)))
	}
	for _, name := range names {
		_, err := gate.Mint(key1, gate.Grant{Volume: name, Rights: gate.Read, Expires: hour})
		require.Equal(t, s3publish.ValidateVolume(name) == nil, err == nil, "%q", name)
	}
	ids := []string{id, id[1:], id + "0", strings.ToUpper(id), ""}
	for range 2000 {
		ids = append(ids, word("0123456789abcdef", 64), word("0123456789abcdef", 63)+word("ABgG/. ", 1))
	}
	for _, s := range ids {
		_, err := s3publish.ParseID(s)
		require.Equal(t, err == nil, grant(gate.Read).Allow(gate.Request{Op: gate.Get, Key: "packs/" + s}) == nil, "%q", s)
	}
}

// FuzzKeys: whatever is allowed is one of the names of LAYOUT.md, spelled in characters that mean themselves.
func FuzzKeys(f *testing.F) {
	for _, s := range []string{"heads/site", "heads/site-x", "packs/" + id, "snapshots/" + id, "heads/../x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if grant(gate.Prune).Allow(gate.Request{Op: gate.Get, Key: key}) != nil {
			return
		}
		folder, name, _ := strings.Cut(key, "/")
		if strings.Contains(name, "/") || strings.ContainsAny(key, "%\\?#\x00") || name == "." || name == ".." {
			t.Fatalf("%q is allowed", key)
		}
		switch folder {
		case "heads":
			if !strings.HasPrefix(name, "site") {
				t.Fatalf("%q is allowed", key)
			}
		case "snapshots", "packs":
			if _, err := s3publish.ParseID(name); err != nil {
				t.Fatalf("%q is allowed: %v", key, err)
			}
		case "checks":
		default:
			t.Fatalf("%q is allowed", key)
		}
	})
}
