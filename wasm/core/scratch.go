//go:build js

package main

import (
	"strings"
	"unsafe"
)

// The scratch area, as ABI.md has it. Offsets are bytes from its start.
const (
	slotSize = 4096 // one path or name; two slots
	attrAt   = 2 * slotSize
	numsAt   = attrAt + 128
	outAt    = numsAt + 64
	runAt    = outAt + 12
	editsAt  = outAt + 16
	viewsAt  = outAt + 64
	maxViews = 512
)

// scratch is made of words so that it is aligned for them. Global data of a Go program does not move.
var scratch [(viewsAt + 8*maxViews) / 8]uint64

//go:wasmexport scratch
func scratchAddr() int32 { return int32(uintptr(unsafe.Pointer(&scratch))) }

func at[T any](off int) *T { return (*T)(unsafe.Add(unsafe.Pointer(&scratch), off)) }

// text copies a string that JavaScript left in a slot.
//
//go:noinline
func text(slot int, n int32) string { return strings.Clone(borrow(slot, n)) }

// borrow is a slot's string without a copy: for calls that do not keep it.
func borrow(slot int, n int32) string {
	if n < 0 || n > slotSize {
		return ""
	}
	return unsafe.String(at[byte](slot*slotSize), n)
}

// give leaves a string in a slot and returns its length.
func give(slot int, s string) int32 {
	return int32(copy(unsafe.Slice(at[byte](slot*slotSize), slotSize), s))
}

// num sets one of the eight numbers that a call may return besides its result.
func num(i int, v float64) { *at[float64](numsAt + 8*i) = v }

// out keeps the last result that does not fit the scratch area, until the next one.
var out []byte

// result hands a buffer to JavaScript: its address and length are in the scratch area until the next such call.
//
//go:noinline
func result(b []byte) int32 {
	out = b
	*at[uint32](outAt) = address(b)
	*at[uint32](outAt + 4) = uint32(len(b))
	return int32(len(b))
}

func address(b []byte) uint32 { return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b)))) }
