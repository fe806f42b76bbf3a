//go:build !js

package s3publish

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
)

// testKey is some key.
var testKey = Key{1, 2, 3, 31: 4}

func keyCoder(key Key) *coder {
	c := plainCoder()
	c.key = &key
	return c
}

func TestAnEncryptedPackReturnsItsBlobsAndShowsNothingOfThem(t *testing.T) {
	in := blobs(1, 200, 5000)
	for i := 0; i < len(in); i += 2 {
		in[i] = append(bytes.Repeat([]byte("<p>text</p>"), 1+len(in[i])/11), byte(i), byte(i>>8), 1)
	}
	c := keyCoder(testKey)
	p := buildPackWith(t, c, in...)
	got, err := readPackWith(c, p)
	require.NoError(t, err)
	require.Len(t, got, 200)
	for _, b := range in {
		h := sha256.Sum256(b)
		require.Equal(t, b, got[h])
		require.False(t, bytes.Contains(p.data, h[:]), "no hash of content is in the clear")
		require.False(t, bytes.Contains(p.data, b[:min(len(b), 16)]) && len(b) >= 16, "nor is content")
	}
	require.False(t, bytes.Contains(p.data, testKey[:]))
}

func TestEqualContentMakesTheSameEncryptedPackAndOtherContentOtherKeys(t *testing.T) {
	c := keyCoder(testKey)
	a, b := buildPackWith(t, c, []byte("hello")), buildPackWith(t, c, []byte("hello"))
	require.Equal(t, a.data, b.data, "an interrupted publish finds what it sent")
	salts := map[string]bool{}
	for i := range 100 {
		p := buildPackWith(t, c, fmt.Appendf(nil, "content %d", i))
		salts[string(p.trailer()[56:88])] = true
	}
	require.Len(t, salts, 100)
	other := buildPackWith(t, keyCoder(Key{9}), []byte("hello"))
	require.NotEqual(t, a.trailer()[56:88], other.trailer()[56:88])
	s := sampleSnapshot()
	one, err := c.encodeSnapshot(t.Context(), s)
	require.NoError(t, err)
	s.label = "other"
	two, err := c.encodeSnapshot(t.Context(), s)
	require.NoError(t, err)
	require.NotEqual(t, one[64:96], two[64:96])
}

func TestAnotherKeyIsNotTakenForCorruption(t *testing.T) {
	right, wrong, none := keyCoder(testKey), keyCoder(Key{9}), plainCoder()
	p := buildPackWith(t, right, []byte("hello"))
	for _, c := range []*coder{wrong, none} {
		_, err := readPackWith(c, p)
		require.ErrorIs(t, err, ErrKey)
		require.NotErrorIs(t, err, ErrCorrupt)
		require.Equal(t, "ErrKey", Code(err))
	}
	_, err := readPackWith(right, buildPack(t, []byte("hello")))
	require.ErrorIs(t, err, ErrKey, "what is not encrypted does not pass for what is")

	sealed, err := right.encodeSnapshot(t.Context(), sampleSnapshot())
	require.NoError(t, err)
	for _, c := range []*coder{wrong, none} {
		s, err := c.decodeSnapshot(t.Context(), sealed)
		require.NoError(t, err, "what retention needs can be read")
		require.ErrorIs(t, s.locked, ErrKey)
		require.Equal(t, sampleSnapshot().packs, s.packs)
		require.Equal(t, sampleSnapshot().parent, s.parent)
		require.Equal(t, details{}, s.details)
	}
	s, err := right.decodeSnapshot(t.Context(), sealed)
	require.NoError(t, err)
	require.Equal(t, sampleSnapshot().details, s.details)
	require.NotContains(t, string(sealed), "lä")
	require.False(t, bytes.Contains(sealed, make([]byte, 40)), "no run of zeros where the root's hash would be")
}

// Each byte of an encrypted object is vouched for, even where an attacker makes checksums and hashes right again.
func TestAChangedEncryptedObjectIsRefused(t *testing.T) {
	c := keyCoder(testKey)
	good, err := c.encodeSnapshot(t.Context(), sampleSnapshot())
	require.NoError(t, err)
	for at := range good {
		bad := bytes.Clone(good)
		bad[at] ^= 1 << (at % 8)
		s, err := c.decodeSnapshot(t.Context(), bad)
		if err == nil {
			require.ErrorIs(t, s.locked, ErrKey, at)
			require.True(t, at >= 96 && at < 112, "only of the key id: %d", at)
		}
	}
	for _, plain := range [][]byte{[]byte("hello"), bytes.Repeat([]byte("text "), 1000)} {
		size := len(buildPackWith(t, c, plain).data)
		for at := packHeaderSize; at < size; at++ {
			if in := at - (size - packTrailerSize); in >= 24 && in < 56 || in >= 116 && in < 120 {
				continue // sums that the attacker makes right again
			}
			p := buildPackWith(t, c, plain)
			p.data[at] ^= 1 << (at % 8)
			resum(p)
			_, err := readPackWith(c, p)
			require.Error(t, err, at)
		}
	}
	// Frames that change places.
	half := bytes.Repeat([]byte{1}, 200_000)
	p := buildPackWith(t, &coder{hasher: GoHasher{}, cipher: GoCipher{}, key: &testKey}, half, bytes.Repeat([]byte{2}, 200_000))
	a, b := bytes.Clone(p.data[16:200_032]), bytes.Clone(p.data[200_032:400_048])
	copy(p.data[16:], b)
	copy(p.data[200_032:], a)
	resum(p)
	_, err = readPackWith(c, p)
	require.ErrorIs(t, err, ErrCorrupt)
}

func TestAKeyIsNotPrinted(t *testing.T) {
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		text := fmt.Sprintf(format, testKey) + fmt.Sprintf(format, RemoteOptions{Key: &testKey}.Key)
		require.NotContains(t, strings.ToLower(text), "1, 0x2", format)
		require.NotContains(t, text, "1 2 3", format)
		require.NotContains(t, text, "010203", format)
	}
}

// FuzzSealed gives the decoders what is not theirs to decrypt, and what was.
func FuzzSealed(f *testing.F) {
	c := keyCoder(testKey)
	p := buildPackWith(f, c, []byte("hello"), []byte("wo"))
	f.Add(p.data)
	s, _ := c.encodeSnapshot(f.Context(), sampleSnapshot())
	f.Add(s)
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := c.decodeSnapshot(t.Context(), b); err != nil {
			requireRefused(t, err)
		}
		e, err := c.entryOf(t.Context(), ID{}, b)
		if err == nil {
			p := &builtPack{data: bytes.Clone(b), entry: e}
			resum(p)
			_, err = c.openPack(t.Context(), p.data, p.entry, func(memfs.Hash, []byte) error { return nil })
		}
		if err != nil {
			requireRefused(t, err)
		}
	})
}
