package s3publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
)

var le = binary.LittleEndian

func TestIDsAreExactlyWhatStringWrites(t *testing.T) {
	id := ID{1, 0xab, 31: 0xff}
	got, err := ParseID(id.String())
	require.NoError(t, err)
	require.Equal(t, id, got)
	for _, bad := range []string{"", id.String()[1:], id.String() + "0", strings.ToUpper(id.String()), strings.Repeat("g", 64), "../" + id.String()[3:]} {
		_, err := ParseID(bad)
		require.ErrorIs(t, err, ErrInvalid, bad)
	}
}

func TestCodesNameEverySentinel(t *testing.T) {
	for _, c := range codes {
		if strings.HasPrefix(c.err.Error(), "context") {
			continue
		}
		require.Equal(t, c.name, Code(&Error{Err: c.err}))
		require.Equal(t, c.err, FromCode(c.name))
	}
	require.Empty(t, Code(errors.New("other")))
	require.Nil(t, FromCode("ErrOther"))
	require.Equal(t, "ErrConflict", Code(&ConflictError{}))
}

func TestHeadIs81BytesOfText(t *testing.T) {
	id := ID(sha256.Sum256([]byte("x")))
	b := encodeHead(id)
	require.Equal(t, "holdfast-head 1\n"+id.String()+"\n", string(b))
	require.Len(t, b, 81)
	got, err := decodeHead(b)
	require.NoError(t, err)
	require.Equal(t, id, got)
	for _, bad := range []string{"", string(b[:80]), string(b) + "\n", strings.ToUpper(string(b)), strings.Replace(string(b), "holdfast", "Holdfast", 1),
		"holdfast-head 1\n" + strings.Repeat("0", 64) + "\n", strings.TrimSuffix(string(b), "\n") + "\r"} {
		_, err := decodeHead([]byte(bad))
		require.ErrorIs(t, err, ErrCorrupt, "%q", bad)
	}
	_, err = decodeHead([]byte("holdfast-head 2\nanything"))
	require.ErrorIs(t, err, ErrVersion)
}

func sampleSnapshot() *snapshotObject {
	s := &snapshotObject{parent: ID{2}, created: -3}
	s.details = details{root: memfs.Hash{1}, files: 4, bytes: 5, live: 6, label: "lä", origin: "o"}
	for i := range 3 {
		s.packs = append(s.packs, packEntry{id: ID{byte(i), 9}, indexHash: [32]byte{7}, size: 1000, indexOff: 500, blobs: 2, raw: 600})
	}
	return s
}

// Under GOOS=js there is neither codec nor cipher here: package jsstore has them, and its tests.
func plainCoder() *coder {
	return &coder{hasher: GoHasher{}, codec: defaultCodec, cipher: defaultCipher}
}

func TestSnapshotObjectIsLaidOutAsDocumented(t *testing.T) {
	s := sampleSnapshot()
	b, err := plainCoder().encodeSnapshot(t.Context(), s)
	require.NoError(t, err)
	require.Len(t, b, 112+3*80+60+3+1)
	require.Equal(t, "HOLDSNAP", string(b[:8]))
	require.EqualValues(t, 1, le.Uint16(b[8:]))
	require.EqualValues(t, 0, le.Uint16(b[10:]))
	require.EqualValues(t, 3, le.Uint32(b[12:]))
	require.EqualValues(t, 2, b[16])
	require.EqualValues(t, -3, int64(le.Uint64(b[48:])))
	require.EqualValues(t, 64, le.Uint32(b[56:]))
	require.Equal(t, make([]byte, 52), b[60:112])
	require.EqualValues(t, 1, b[112+80])
	require.EqualValues(t, 7, b[112+32])
	require.EqualValues(t, 1000, le.Uint32(b[112+64:]))
	require.EqualValues(t, 500, le.Uint32(b[112+68:]))
	require.EqualValues(t, 2, le.Uint32(b[112+72:]))
	require.EqualValues(t, 600, le.Uint32(b[112+76:]))
	d := b[112+3*80:]
	require.EqualValues(t, 1, d[0])
	require.EqualValues(t, 4, le.Uint64(d[32:]))
	require.EqualValues(t, 5, le.Uint64(d[40:]))
	require.EqualValues(t, 6, le.Uint64(d[48:]))
	require.EqualValues(t, 3, le.Uint16(d[56:]))
	require.EqualValues(t, 1, le.Uint16(d[58:]))
	require.Equal(t, "läo", string(d[60:]))
	got, err := plainCoder().decodeSnapshot(t.Context(), b)
	require.NoError(t, err)
	require.Equal(t, s, got)
}

func TestSnapshotFieldsPastTheirLimitsAreNotWritten(t *testing.T) {
	for name, change := range map[string]func(*snapshotObject){
		"label":       func(s *snapshotObject) { s.label = strings.Repeat("x", 4097) },
		"label utf8":  func(s *snapshotObject) { s.label = "\xff" },
		"origin":      func(s *snapshotObject) { s.origin = strings.Repeat("x", 129) },
		"origin utf8": func(s *snapshotObject) { s.origin = "\xff" },
		"no pack":     func(s *snapshotObject) { s.packs = nil },
		"packs":       func(s *snapshotObject) { s.packs = make([]packEntry, maxPacks+1) },
		"files":       func(s *snapshotObject) { s.files = -1 },
		"bytes":       func(s *snapshotObject) { s.bytes = -1 },
		"live":        func(s *snapshotObject) { s.live = -1 },
	} {
		s := sampleSnapshot()
		change(s)
		_, err := plainCoder().encodeSnapshot(t.Context(), s)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
}

func TestHostileSnapshotObjectsAreRefused(t *testing.T) {
	good, err := plainCoder().encodeSnapshot(t.Context(), sampleSnapshot())
	require.NoError(t, err)
	const packs, details = 112, 112 + 3*80
	for name, c := range map[string]struct {
		change func(b []byte) []byte
		want   error
	}{
		"magic":             {func(b []byte) []byte { b[0]++; return b }, ErrCorrupt},
		"version":           {func(b []byte) []byte { b[8]++; return b }, ErrVersion},
		"flags":             {func(b []byte) []byte { b[11] = 1; return b }, ErrVersion},
		"sealed, no key id": {func(b []byte) []byte { b[10] = 1; return b }, ErrCorrupt},
		"salt, not sealed":  {func(b []byte) []byte { b[64] = 1; return b }, ErrCorrupt},
		"key, not sealed":   {func(b []byte) []byte { b[96] = 1; return b }, ErrCorrupt},
		"reserved":          {func(b []byte) []byte { b[63] = 1; return b }, ErrCorrupt},
		"no packs":          {func(b []byte) []byte { le.PutUint32(b[12:], 0); return append(b[:packs], b[details:]...) }, ErrCorrupt},
		"2^32-1 packs":      {func(b []byte) []byte { le.PutUint32(b[12:], 1<<32-1); return b }, ErrCorrupt},
		"one pack more":     {func(b []byte) []byte { le.PutUint32(b[12:], 4); return b }, ErrCorrupt},
		"details of 4 GiB":  {func(b []byte) []byte { le.PutUint32(b[56:], 1<<32-1); return b }, ErrCorrupt},
		"no details":        {func(b []byte) []byte { le.PutUint32(b[56:], 0); return b[:details] }, ErrCorrupt},
		"files":             {func(b []byte) []byte { b[details+39] = 0x80; return b }, ErrCorrupt},
		"bytes":             {func(b []byte) []byte { b[details+47] = 0x80; return b }, ErrCorrupt},
		"live":              {func(b []byte) []byte { b[details+55] = 0x80; return b }, ErrCorrupt},
		"label length":      {func(b []byte) []byte { le.PutUint16(b[details+56:], 65535); return b }, ErrCorrupt},
		"origin length":     {func(b []byte) []byte { le.PutUint16(b[details+58:], 65535); return b }, ErrCorrupt},
		"label not utf8":    {func(b []byte) []byte { b[details+61] = 0xff; return b }, ErrCorrupt},
		"cut":               {func(b []byte) []byte { return b[:len(b)-1] }, ErrCorrupt},
		"longer":            {func(b []byte) []byte { return append(b, 0) }, ErrCorrupt},
		"pack twice":        {func(b []byte) []byte { copy(b[packs+80:], b[packs:packs+32]); return b }, ErrCorrupt},
		"pack too large":    {func(b []byte) []byte { le.PutUint32(b[packs+64:], maxPack+1); return b }, ErrCorrupt},
		"pack too small":    {func(b []byte) []byte { le.PutUint32(b[packs+64:], minPack-1); return b }, ErrCorrupt},
		"index in header":   {func(b []byte) []byte { le.PutUint32(b[packs+68:], 15); return b }, ErrCorrupt},
		"index in trailer":  {func(b []byte) []byte { le.PutUint32(b[packs+68:], 873); return b }, ErrCorrupt},
		"index at 2^32-1":   {func(b []byte) []byte { le.PutUint32(b[packs+68:], 1<<32-1); return b }, ErrCorrupt},
		"no blobs":          {func(b []byte) []byte { le.PutUint32(b[packs+72:], 0); return b }, ErrCorrupt},
		"too many blobs": {func(b []byte) []byte {
			le.PutUint32(b[packs+72:], maxPackBlobs+1)
			le.PutUint32(b[packs+76:], maxPackRaw)
			return b
		}, ErrCorrupt},
		"less than blobs":  {func(b []byte) []byte { le.PutUint32(b[packs+76:], 1); return b }, ErrCorrupt},
		"content of 4 GiB": {func(b []byte) []byte { le.PutUint32(b[packs+76:], 1<<32-1); return b }, ErrCorrupt},
	} {
		_, err := plainCoder().decodeSnapshot(t.Context(), c.change(bytes.Clone(good)))
		require.ErrorIs(t, err, c.want, name)
	}
	for n := range len(good) {
		_, err := plainCoder().decodeSnapshot(t.Context(), good[:n])
		require.ErrorIs(t, err, ErrCorrupt, n)
	}
}

func blobs(seed uint64, n, size int) (out [][]byte) {
	rnd := rand.New(rand.NewPCG(seed, 2))
	for range n {
		b := make([]byte, 1+rnd.IntN(size))
		for j := range b {
			b[j] = byte(rnd.Uint32())
		}
		out = append(out, b)
	}
	return out
}

func buildPack(t testing.TB, all ...[]byte) *builtPack { return buildPackWith(t, plainCoder(), all...) }

func buildPackWith(t testing.TB, c *coder, all ...[]byte) *builtPack {
	t.Helper()
	var w packWriter
	for _, b := range all {
		p, err := w.add(sha256.Sum256(b), b)
		require.NoError(t, err)
		require.Nil(t, p)
	}
	p := w.finish()
	require.NoError(t, c.encode(context.Background(), p, 0x01020304))
	return p
}

func readPack(p *builtPack) (map[memfs.Hash][]byte, error) { return readPackWith(plainCoder(), p) }

func readPackWith(c *coder, p *builtPack, before ...*builtPack) (map[memfs.Hash][]byte, error) {
	got := map[memfs.Hash][]byte{}
	emit := func(h memfs.Hash, b []byte) error { got[h] = b; return nil }
	t, err := c.openPack(context.Background(), p.data, p.entry, emit)
	if err != nil {
		return nil, err
	}
	var list []packEntry
	arrived := map[ID]*packTail{p.entry.id: t}
	for _, p := range before {
		list = append(list, p.entry)
		arrived[p.entry.id] = &packTail{packIndex: &p.index}
	}
	r := &Remote{coder: *c}
	return got, r.unfoldAll(context.Background(), append(list, p.entry), arrived, emit)
}

func TestAPackReturnsItsBlobs(t *testing.T) {
	in := blobs(1, 200, 5000)
	for i := 0; i < len(in); i += 2 { // half of it compresses
		in[i] = append(bytes.Repeat([]byte("<p>text</p>"), len(in[i])/11), byte(i), 1)
	}
	for _, c := range []*coder{plainCoder(), {hasher: GoHasher{}}} {
		p := buildPackWith(t, c, in...)
		require.EqualValues(t, 200, p.entry.blobs)
		require.Greater(t, len(p.index.frames), 1)
		require.Equal(t, c.codec != nil, p.index.frames[0].codec == codecDeflate)
		got, err := readPackWith(c, p)
		require.NoError(t, err)
		require.Len(t, got, 200)
		for _, b := range in {
			require.Equal(t, b, got[sha256.Sum256(b)])
		}
	}
}

func TestPackIsLaidOutAsDocumented(t *testing.T) {
	p := buildPack(t, []byte("hello"), []byte("wo"))
	b := p.data
	require.Equal(t, "HOLDPACK\x02\x00\x00\x00\x04\x03\x02\x01hellowo", string(b[:23]))
	require.Len(t, b, 23+16+2*36+36+128)
	require.EqualValues(t, 7, le.Uint32(b[23:]), "stored size of the frame")
	require.EqualValues(t, 7, le.Uint32(b[27:]), "raw size")
	require.EqualValues(t, 2, le.Uint32(b[31:]), "blobs")
	require.EqualValues(t, 0, b[35], "codec")
	h := sha256.Sum256([]byte("hello"))
	require.Equal(t, h[:], b[39:71])
	require.EqualValues(t, 5, le.Uint32(b[71:]))
	require.Equal(t, make([]byte, 36), b[111:147], "it builds on nothing")
	tr := b[len(b)-128:]
	require.EqualValues(t, 23, le.Uint64(tr))
	require.EqualValues(t, 124, le.Uint32(tr[8:]))
	require.EqualValues(t, 1, le.Uint32(tr[12:]))
	require.EqualValues(t, 2, le.Uint32(tr[16:]))
	require.EqualValues(t, 0, le.Uint32(tr[20:]))
	h = sha256.Sum256(b[23 : 23+124])
	require.Equal(t, h[:], tr[24:56])
	require.Equal(t, make([]byte, 56), tr[56:112])
	require.EqualValues(t, 2, le.Uint16(tr[112:]))
	require.Equal(t, "HOLDPEND", string(tr[120:]))
	smallest := buildPack(t, []byte("x"))
	require.Len(t, smallest.data, minPack)
	require.Equal(t, 233, minPack)
}

// resum makes checksums and hashes right again after a change, as an attacker would.
func resum(p *builtPack) {
	tr := p.trailer()
	off := le.Uint64(tr)
	if end := uint64(len(p.data) - packTrailerSize); off <= end {
		p.entry.indexHash = sha256.Sum256(p.data[off:end])
		copy(tr[24:], p.entry.indexHash[:])
	}
	le.PutUint32(tr[116:], crc32.Update(crc32.Checksum(tr[:116], castagnoli), castagnoli, tr[120:]))
	p.entry.id = sha256.Sum256(p.data)
}

func TestHostilePacksAreRefused(t *testing.T) {
	// Header 16, frame 7 bytes (hello, wo), index at 23: frame entry at 23, blob entries at 39 and 75, base at 111, trailer at 147.
	const frame, blob1, blob2, packs, trailer = 23, 39, 75, 111, 147
	// Where a later check would also fail, the reason tells that the first one did.
	reasons := map[string]string{
		"blob twice": "listed twice", "blob of no bytes": "of 0 bytes", "blob of 2 GiB": "of 2147483647 bytes",
		"no frames": ": 0 frames, 2 blobs", "2^32-1 blobs": ": 1 frames, 4294967295 blobs", "more frames than blobs": ": 3 frames, 2 blobs",
		"frame of 4 GiB": "4294967295 bytes stored", "frame stored size": "8 bytes stored", "frame with no blob": "0 blobs",
		"content": "does not have that hash", "bytes before the footer": "end at 23, not 24", "stored more than raw": "8 bytes stored, 7 raw",
		"content size": "7 bytes of content where 8", "frame raw size": "frame 0: 7 bytes stored, 2097153 raw",
	}
	for name, c := range map[string]struct {
		change func(p *builtPack)
		want   error
	}{
		"header magic":           {func(p *builtPack) { p.data[0]++ }, ErrCorrupt},
		"header version":         {func(p *builtPack) { p.data[8] = 1 }, ErrVersion},
		"header flags":           {func(p *builtPack) { p.data[11]++ }, ErrVersion},
		"header sealed":          {func(p *builtPack) { p.data[10]++ }, ErrCorrupt},
		"content":                {func(p *builtPack) { p.data[16]++ }, ErrCorrupt},
		"content size":           {func(p *builtPack) { p.entry.raw++ }, ErrCorrupt},
		"frame stored size":      {func(p *builtPack) { le.PutUint32(p.data[frame:], 8) }, ErrCorrupt},
		"stored more than raw":   {func(p *builtPack) { le.PutUint32(p.data[frame:], 8); p.data[frame+12] = 1 }, ErrCorrupt},
		"frame sizes":            {func(p *builtPack) { le.PutUint32(p.data[frame:], 8); le.PutUint32(p.data[frame+4:], 8) }, ErrCorrupt},
		"frame raw size":         {func(p *builtPack) { le.PutUint32(p.data[frame+4:], maxFrame+1); p.data[frame+12] = 1 }, ErrCorrupt},
		"frame of 4 GiB":         {func(p *builtPack) { le.PutUint32(p.data[frame:], 1<<32-1); le.PutUint32(p.data[frame+4:], 1<<32-1) }, ErrCorrupt},
		"frame blobs":            {func(p *builtPack) { le.PutUint32(p.data[frame+8:], 1) }, ErrCorrupt},
		"frame with no blob":     {func(p *builtPack) { le.PutUint32(p.data[frame+8:], 0) }, ErrCorrupt},
		"frame of 2^32-1 blobs":  {func(p *builtPack) { le.PutUint32(p.data[frame+8:], 1<<32-1) }, ErrCorrupt},
		"frame codec":            {func(p *builtPack) { p.data[frame+12] = 2 }, ErrVersion},
		"frame reserved":         {func(p *builtPack) { p.data[frame+13] = 1 }, ErrCorrupt},
		"frame reserved 14":      {func(p *builtPack) { p.data[frame+14] = 1 }, ErrCorrupt},
		"blob hash":              {func(p *builtPack) { p.data[blob1]++ }, ErrCorrupt},
		"blob twice":             {func(p *builtPack) { copy(p.data[blob2:blob2+32], p.data[blob1:]) }, ErrCorrupt},
		"blob of no bytes":       {func(p *builtPack) { le.PutUint32(p.data[blob1+32:], 0); le.PutUint32(p.data[blob2+32:], 7) }, ErrCorrupt},
		"blob sizes swapped":     {func(p *builtPack) { le.PutUint32(p.data[blob1+32:], 2); le.PutUint32(p.data[blob2+32:], 5) }, ErrCorrupt},
		"blob of 2 GiB":          {func(p *builtPack) { le.PutUint32(p.data[blob1+32:], 1<<32-1) }, ErrCorrupt},
		"builds on 1 << 32 - 1":  {func(p *builtPack) { le.PutUint32(p.data[packs:], 1<<32-1); p.data[packs+4] = 1 }, ErrCorrupt},
		"builds on none of some": {func(p *builtPack) { p.data[packs+35] = 1 }, ErrCorrupt},
		"builds on some of none": {func(p *builtPack) { p.data[packs] = 1 }, ErrCorrupt},
		"builds on others":       {func(p *builtPack) { p.data[packs], p.data[packs+4] = 1, 1 }, ErrCorrupt},
		"folded, in fact not":    {func(p *builtPack) { p.data[blob1+35] |= 0x80 }, ErrCorrupt},
		"blob past the frame":    {func(p *builtPack) { le.PutUint32(p.data[blob2+32:], 3) }, ErrCorrupt},
		"index offset":           {func(p *builtPack) { le.PutUint64(p.data[trailer:], 24) }, ErrCorrupt},
		"index offset at 2^64-1": {func(p *builtPack) { le.PutUint64(p.data[trailer:], 1<<64-1) }, ErrCorrupt},
		"index offset both":      {func(p *builtPack) { le.PutUint64(p.data[trailer:], 24); p.entry.indexOff = 24 }, ErrCorrupt},
		"index stored size":      {func(p *builtPack) { p.data[trailer+8]++ }, ErrCorrupt},
		"no frames":              {func(p *builtPack) { p.data[trailer+12] = 0 }, ErrCorrupt},
		"more frames than blobs": {func(p *builtPack) { p.data[trailer+12] = 3 }, ErrCorrupt},
		"2^32-1 frames":          {func(p *builtPack) { le.PutUint32(p.data[trailer+12:], 1<<32-1) }, ErrCorrupt},
		"2^32-1 blobs":           {func(p *builtPack) { le.PutUint32(p.data[trailer+16:], 1<<32-1); p.entry.blobs = 1<<32 - 1 }, ErrCorrupt},
		"blobs differ":           {func(p *builtPack) { p.entry.blobs++ }, ErrCorrupt},
		"sealed, no key id":      {func(p *builtPack) { p.data[trailer+20] = 1 }, ErrCorrupt},
		"salt, not sealed":       {func(p *builtPack) { p.data[trailer+56] = 1 }, ErrCorrupt},
		"sealed, in fact not":    {func(p *builtPack) { p.data[10], p.data[trailer+20], p.data[trailer+88] = 1, 1, 1 }, ErrCorrupt},
		"trailer flags":          {func(p *builtPack) { p.data[trailer+20] = 2 }, ErrVersion},
		"trailer reserved 22":    {func(p *builtPack) { p.data[trailer+22] = 1 }, ErrCorrupt},
		"trailer reserved 104":   {func(p *builtPack) { p.data[trailer+111] = 1 }, ErrCorrupt},
		"trailer reserved 114":   {func(p *builtPack) { p.data[trailer+114] = 1 }, ErrCorrupt},
		"trailer version":        {func(p *builtPack) { p.data[trailer+112] = 1 }, ErrVersion},
		"trailer magic":          {func(p *builtPack) { p.data[trailer+120]++ }, ErrCorrupt},
		"shorter than it should": {func(p *builtPack) { p.entry.size++ }, ErrCorrupt},
		"longer than it should":  {func(p *builtPack) { p.entry.size-- }, ErrCorrupt},
		"bytes before the footer": {func(p *builtPack) {
			p.data = append(p.data[:23:23], append([]byte{0}, p.data[23:]...)...)
			le.PutUint64(p.trailer(), 24)
			p.entry.size++
			p.entry.indexOff++
		}, ErrCorrupt},
	} {
		p := buildPack(t, []byte("hello"), []byte("wo"))
		c.change(p)
		resum(p)
		_, err := readPack(p)
		require.ErrorIs(t, err, c.want, name)
		require.ErrorContains(t, err, reasons[name], name)
	}
	p := buildPack(t, []byte("hello"))
	p.entry.indexHash[0]++
	_, err := readPack(p)
	require.ErrorIs(t, err, ErrCorrupt, "an index that the snapshot does not vouch for")
	p = buildPack(t, []byte("hello"))
	p.trailer()[116]++
	p.entry.id = sha256.Sum256(p.data)
	_, err = readPack(p)
	require.ErrorIs(t, err, ErrCorrupt, "checksum of the trailer")
	p = buildPack(t, []byte("hello"))
	p.entry.id[0]++
	_, err = readPack(p)
	require.ErrorContains(t, err, "its hash is not its name")
}

func TestBlobsPastTheirLimitsAreNotWritten(t *testing.T) {
	for _, size := range []int{0, maxBlob + 1} {
		var w packWriter
		_, err := w.add(memfs.Hash{}, make([]byte, size))
		require.ErrorIs(t, err, ErrInvalid)
	}
	p := buildPack(t, make([]byte, maxBlob))
	_, err := readPack(p)
	require.NoError(t, err)
}

// The bound of what a writer makes lies below what a reader accepts, and the same content after a difference ends in
// the same packs.
func TestWhereAPackEndsDependsOnContentOnly(t *testing.T) {
	cut := func(all [][]byte) (ids []ID) {
		var w packWriter
		for _, b := range all {
			p, err := w.add(sha256.Sum256(b), b)
			require.NoError(t, err)
			if p != nil {
				require.NoError(t, plainCoder().encode(t.Context(), p, 0))
				require.LessOrEqual(t, len(p.data), 9<<20)
				require.GreaterOrEqual(t, p.raw, packMinRaw)
				ids = append(ids, sha256.Sum256(p.data))
			}
		}
		return ids
	}
	all := blobs(3, 10_000, 8000)
	a := cut(all)
	require.Greater(t, len(a), 5)
	all[0] = []byte("another first blob")
	b := cut(all)
	require.NotEqual(t, a[0], b[0])
	require.Equal(t, a[len(a)-3:], b[len(b)-3:])
}
