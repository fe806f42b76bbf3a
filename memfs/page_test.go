package memfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"testing"
)

// randomPage is stretches of bytes and of zeros.
func randomPage(r *rand.Rand) []byte {
	p := make([]byte, PageSize)
	for at := 0; at < PageSize; {
		n := min(1+r.IntN([]int{3, 70, 700, PageSize}[r.IntN(4)]), PageSize-at)
		if r.IntN(2) == 0 {
			for i := range n {
				p[at+i] = byte(r.Uint32())
			}
		}
		at += n
	}
	return p
}

// A stored page comes back byte by byte. A long run of zeros in it is not stored.
func TestPagesAreStoredWithoutTheirGap(t *testing.T) {
	r := newRand(t)
	var buf [PageSize]byte
	gaps := 0
	for range 20000 {
		p := randomPage(r)
		block, gapped := squeeze(p, &buf)
		trimmed := bytes.TrimRight(p, "\x00")
		if len(block) > len(trimmed) {
			t.Fatalf("%d bytes for a page of %d", len(block), len(trimmed))
		}
		longest := 0
		for i, run := 0, 0; i < len(trimmed); i++ {
			if run++; trimmed[i] != 0 {
				run = 0
			}
			longest = max(longest, run)
		}
		// Whole words count: up to seven bytes at either end of a run may not be in one.
		if longest >= minGap+14 && len(block) > len(trimmed)-longest+14+gapSuffix {
			t.Fatalf("%d bytes for a page of %d with %d zeros in a row", len(block), len(trimmed), longest)
		}
		got := bytes.Repeat([]byte{0xff}, PageSize)
		copy(got, block)
		if gapped {
			gaps++
			if err := spread(got, len(block)); err != nil {
				t.Fatal(err)
			}
		} else {
			clear(got[len(block):])
		}
		if !bytes.Equal(got, p) {
			t.Fatalf("page of %d bytes, gapped %v", len(trimmed), gapped)
		}
	}
	if gaps < 1000 {
		t.Fatalf("only %d pages had a gap", gaps)
	}
}

// Whatever bytes a block has: it is a page, or refused.
func FuzzGap(f *testing.F) {
	var buf [PageSize]byte
	block, _ := squeeze(append(append([]byte("head"), make([]byte, 3000)...), append([]byte("tail"), make([]byte, PageSize-3008)...)...), &buf)
	f.Add(block)
	f.Add([]byte{1, 0, 0, 255, 255})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > PageSize {
			return
		}
		p := bytes.Repeat([]byte{0xff}, PageSize)
		if err := spread(p, copy(p, b)); err != nil {
			if !errors.Is(err, ErrBadNode) {
				t.Fatal(err)
			}
			return
		}
		n := len(b) - gapSuffix
		begin, gap := int(binary.LittleEndian.Uint16(b[n:])), int(binary.LittleEndian.Uint16(b[n+2:]))
		want := append(append(bytes.Clone(b[:begin]), make([]byte, gap)...), b[begin:n]...)
		if want = append(want, make([]byte, PageSize-len(want))...); !bytes.Equal(p, want) {
			t.Fatal("other bytes")
		}
	})
}

// A page that is stored with a bad gap is refused when it is read, and by Verifier; a reference to one that is too short, at once.
func TestBadGapsAreRefused(t *testing.T) {
	store := &blockStore{}
	f := New(Options{Reader: store})
	content := make([]byte, PageSize)
	copy(content, "head")
	copy(content[PageSize-4:], "tail")
	if err := f.WriteFile("a", content, 0o644); err != nil {
		t.Fatal(err)
	}
	var root []byte
	if err := f.Persist(store, nil, func(roots [][]byte) error { root = roots[0]; return nil }); err != nil {
		t.Fatal(err)
	}
	page := bytes.Index(store.b, []byte("head"))
	if page < 0 || bytes.Index(store.b, []byte("tail")) != page+12 {
		t.Fatal("the page was not stored with a gap of whole words")
	}
	opened := func() *FS {
		f, err := Load(Options{Reader: store}, root)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	if b, err := opened().ReadFile("a"); err != nil || !bytes.Equal(b, content) {
		t.Fatal(err)
	}
	verify := func() error {
		f := opened()
		return f.NewVerifier(func(int64) error { return nil }).Check(t.Context(), root)
	}
	if err := verify(); err != nil {
		t.Fatal(err)
	}
	store.unchecked = true
	store.b[page+19]++ // the gap's length: past the end of the page
	if _, err := opened().ReadFile("a"); !errors.Is(err, ErrBadNode) {
		t.Fatal(err)
	}
	if err := verify(); !errors.Is(err, ErrBadNode) {
		t.Fatal(err)
	}
	leaf := append([]byte{byte(kindPages)}, binary.LittleEndian.AppendUint64(nil, 1)...)
	if _, err := localDecoder(appendRef(leaf, Ref{Off: 1, Len: PageSize + gapSuffix})).node(kindPages, 0); !errors.Is(err, ErrBadNode) {
		t.Fatal(err)
	}
}
