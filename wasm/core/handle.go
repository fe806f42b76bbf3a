//go:build js

package main

import (
	"runtime"

	"github.com/holdfast-fs/holdfast/memfs"
)

// Open files by number. A free number is reused, the last one freed first.
var (
	handles []*memfs.Handle
	free    []int32
	closed  []*memfs.Handle // to be used again
	views   [][]byte        // reused by every read and write
)

//go:wasmexport handle_open
func handleOpen(ino float64) int32 {
	var h *memfs.Handle
	if n := len(closed); n > 0 {
		h = closed[n-1]
	} else {
		h = new(memfs.Handle)
		closed = append(closed, h)
	}
	if err := inodes.Reopen(h, memfs.Ino(ino)); err != nil {
		return fail(err)
	}
	closed = closed[:len(closed)-1]
	if n := len(free); n > 0 {
		id := free[n-1]
		free = free[:n-1]
		handles[id] = h
		return id
	}
	handles = append(handles, h)
	return int32(len(handles) - 1)
}

// turns counts calls, for breathe.
var turns uint32

// breathe lets the garbage collector finish. It works only while goroutines are scheduled, which a guest's long run of calls never does
// by itself, and as long as it is at work every write of a pointer costs more: measured, 30% of a read. It must not be
// called while an argument is in the scratch area.
func breathe() {
	if turns++; turns%4096 == 0 {
		runtime.Gosched()
	}
}

func handle(id int32) (*memfs.Handle, error) {
	breathe()
	if id < 0 || int(id) >= len(handles) || handles[id] == nil {
		return nil, memfs.EBADF
	}
	return handles[id], nil
}

//go:wasmexport handle_close
func handleClose(id int32) int32 {
	h, err := handle(id)
	if err != nil {
		return fail(err)
	}
	handles[id] = nil
	free = append(free, id)
	err = h.Close()
	closed = append(closed, h)
	return fail(err)
}

//go:wasmexport handle_attr
func handleAttr(id int32) int32 {
	h, err := handle(id)
	if err != nil {
		return fail(err)
	}
	a, err := h.Attr()
	if err != nil {
		return fail(err)
	}
	putAttr(&a)
	return 0
}

//go:wasmexport handle_size
func handleSize(id int32) float64 {
	h, err := handle(id)
	if err != nil {
		return float64(fail(err))
	}
	a, err := h.Attr()
	if err != nil {
		return float64(fail(err))
	}
	return float64(a.Size)
}

// handle_truncate answers 1 when the change must be durable before the guest goes on, as setattr does.
//
//go:wasmexport handle_truncate
func handleTruncate(id int32, size float64) int32 {
	h, err := handle(id)
	if err != nil {
		return fail(err)
	}
	if size != 0 {
		return fail(h.Truncate(int64(size)))
	}
	return endingOf(h, func() error { return h.Truncate(0) })
}

// handle_ending is called before zeros are written over a journal's header, and answers 1 if that ends a transaction: then JavaScript writes them,
// commits, and calls ended.
//
//go:wasmexport handle_ending
func handleEnding(id int32) int32 {
	h, err := handle(id)
	if err != nil {
		return fail(err)
	}
	return endingOf(h, func() error { return nil })
}

// endingOf does to an open file what may end a transaction, and answers as unlink does.
func endingOf(h *memfs.Handle, op func() error) int32 {
	if _, err := h.Attr(); err != nil { // of a stale handle the number may be another file's
		return fail(err)
	}
	return endingIn(h.Ino(), op)
}

// handle_read leaves views of the file's bytes in the scratch area, which JavaScript copies from before its next call,
// and returns how many bytes they cover: fewer than n at the end of the file, or when n needs more than maxViews views.
//
//go:wasmexport handle_read
func handleRead(id int32, off float64, n int32) int32 {
	h, err := handle(id)
	if err != nil {
		return fail(err)
	}
	v, got, err := h.ReadViews(views[:0], int64(off), bounded(off, n))
	if err != nil {
		return fail(err)
	}
	views = v
	putViews(v)
	putRun(h)
	return int32(got)
}

// handle_write makes bytes of the file writable; JavaScript must fill all the views before its next call.
//
//go:wasmexport handle_write
func handleWrite(id int32, off float64, n int32) int32 {
	h, err := handle(id)
	if err != nil {
		return fail(err)
	}
	v, got, err := h.WriteViews(views[:0], int64(off), bounded(off, n))
	if err != nil {
		return fail(err)
	}
	views = v
	putViews(v)
	num(0, millis(putRun(h)))
	return int32(got)
}

// putRun leaves how far the first view can be used without another call (ABI.md), and answers the time that a write has set.
func putRun(h *memfs.Handle) int64 {
	n, mtime := h.Run()
	*at[uint32](runAt) = uint32(n)
	return mtime
}

// bounded is the part of n bytes at off that spans at most maxViews pages.
func bounded(off float64, n int32) int {
	const span = maxViews * memfs.PageSize
	return min(int(n), span-int(int64(off)%memfs.PageSize))
}

// putViews lists the views in the scratch area as address and length, neighbours joined, and their number.
func putViews(list [][]byte) {
	v := at[[maxViews][2]uint32](viewsAt)
	n := 0
	for _, b := range list {
		p, size := viewAddr(b), uint32(len(b))
		if n > 0 && v[n-1][0]+v[n-1][1] == p {
			v[n-1][1] += size
			continue
		}
		v[n] = [2]uint32{p, size}
		n++
	}
	*at[uint32](outAt + 8) = uint32(n)
}
