// Package crashtest has a file that can lose power, which no real file can be told to do. It is for tests.
package crashtest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
)

// Sector is what a power cut tears a write at, in bytes: within one, a write arrives whole or not at all.
const Sector = 512

// ErrInjected is what a failing operation answers.
var ErrInjected = errors.New("injected failure")

type op struct {
	off   int64
	data  []byte
	size  int64 // of a truncation
	trunc bool
	flush bool
}

// File is an opfs.File in memory that records what is done to it, so that it can be had as a power cut at any moment would have left it: with
// everything that was flushed, and an arbitrary part of the rest. The zero value is an empty file.
type File struct {
	b     []byte
	ops   []op
	bases []base // the durable content at each flush

	// FailAt lets the operation with this number (from 1, counting writes, truncations and flushes) fail once; 0 is none.
	FailAt int
	// Short lets a failing write write a part and answer no error, as a full disk does in Firefox.
	Short bool
}

type base struct {
	ops int // how many operations came before it
	b   []byte
}

// New returns a file with a content that is durable.
func New(content []byte) *File {
	return &File{b: slices.Clone(content), bases: []base{{0, slices.Clone(content)}}}
}

// Ops is how many operations were recorded.
func (f *File) Ops() int { return len(f.ops) }

// Bytes is the content as it is now. It is not to be changed.
func (f *File) Bytes() []byte { return f.b }

func (f *File) fails() bool { return f.FailAt > 0 && len(f.ops)+1 == f.FailAt }

// ReadAt implements opfs.File.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= int64(len(f.b)) {
		return 0, io.EOF
	}
	n := copy(p, f.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements opfs.File.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	if f.fails() {
		p = p[:len(p)/2]
		f.record(op{off: off, data: slices.Clone(p)})
		if f.Short {
			return len(p), nil
		}
		return 0, ErrInjected
	}
	f.record(op{off: off, data: slices.Clone(p)})
	return len(p), nil
}

// Truncate implements opfs.File.
func (f *File) Truncate(size int64) error {
	if f.fails() {
		f.record(op{})
		return ErrInjected
	}
	f.record(op{trunc: true, size: size})
	return nil
}

// Size implements opfs.File.
func (f *File) Size() (int64, error) { return int64(len(f.b)), nil }

// Flush implements opfs.File.
func (f *File) Flush() error {
	if f.fails() {
		f.record(op{})
		return ErrInjected
	}
	f.record(op{flush: true})
	f.bases = append(f.bases, base{len(f.ops), bytes.Clone(f.b)})
	return nil
}

// Close implements opfs.File.
func (f *File) Close() error { return nil }

func (f *File) record(o op) {
	f.ops = append(f.ops, o)
	f.b = apply(f.b, o)
}

func apply(b []byte, o op) []byte {
	switch {
	case o.trunc && o.size < int64(len(b)):
		return b[:o.size]
	case o.trunc:
		return append(b, make([]byte, o.size-int64(len(b)))...)
	}
	if gap := o.off + int64(len(o.data)) - int64(len(b)); gap > 0 && len(o.data) > 0 {
		b = append(b, make([]byte, gap)...)
	}
	copy(b[min(o.off, int64(len(b))):], o.data)
	return b
}

// CrashAt returns the file as a power cut after the first n operations leaves it, or during the next one: what was flushed by then, and of
// the rest a random part, torn at sectors and in any order.
func (f *File) CrashAt(n int, r *rand.Rand) *File {
	at := len(f.bases) - 1
	for f.bases[at].ops > n {
		at--
	}
	b := slices.Clone(f.bases[at].b)
	var parts []op
	mode := r.IntN(4) // sometimes nothing arrives, sometimes all
	for _, o := range f.ops[f.bases[at].ops:min(n+1, len(f.ops))] {
		if o.flush {
			continue
		}
		if o.trunc {
			parts = append(parts, o)
			continue
		}
		for i := 0; i < len(o.data); {
			size := min(len(o.data)-i, Sector-int((o.off+int64(i))%Sector))
			parts = append(parts, op{off: o.off + int64(i), data: o.data[i : i+size]})
			i += size
		}
	}
	if mode > 1 {
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	}
	for _, o := range parts {
		if mode == 1 || mode > 1 && r.IntN(2) == 0 {
			b = apply(b, o)
		}
	}
	return New(b)
}

// KillAt returns the file as the death of the program after the first n operations leaves it: everything written is there, and what was not flushed
// may still be lost in a power cut later.
func (f *File) KillAt(n int) *File {
	at := len(f.bases) - 1
	for f.bases[at].ops > n {
		at--
	}
	k := New(f.bases[at].b)
	for _, o := range f.ops[f.bases[at].ops:n] {
		k.record(o)
	}
	return k
}
