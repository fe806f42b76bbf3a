//go:build js

package opfs

import (
	"io"
	"unsafe"

	"github.com/holdfast-fs/holdfast/memfs/errtext"
)

// handle is a FileSystemSyncAccessHandle, or a file of Node, that JavaScript holds under a number. The calls are synchronous,
// and read and write straight from and to Go's memory.
type handle int32

// OpenHandle returns the file that JavaScript registered under a number.
func OpenHandle(id int32) File { return handle(id) }

//go:wasmimport holdfast file_read
func fileRead(id int32, p unsafe.Pointer, n int32, off float64) int32

//go:wasmimport holdfast file_write
func fileWrite(id int32, p unsafe.Pointer, n int32, off float64) int32

//go:wasmimport holdfast file_truncate
func fileTruncate(id int32, size float64) int32

//go:wasmimport holdfast file_size
func fileSize(id int32) float64

//go:wasmimport holdfast file_flush
func fileFlush(id int32) int32

//go:wasmimport holdfast file_close
func fileClose(id int32) int32

const (
	eBADF  = 9
	eNOSPC = 28
)

// result turns what JavaScript answered into an error: negative is an errno of Linux.
func result(op string, n int32) error {
	switch {
	case n >= 0:
		return nil
	case n == -eNOSPC:
		return errtext.Errorf("%w: %s", ErrQuota, op)
	case n == -eBADF:
		return errtext.Errorf("%w: %s", ErrClosed, op)
	}
	return errtext.Errorf("%w: %s (errno %d)", ErrIO, op, -n)
}

func (h handle) ReadAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n := fileRead(int32(h), unsafe.Pointer(unsafe.SliceData(p)), int32(len(p)), float64(off))
	if err := result("read", n); err != nil {
		return 0, err
	}
	if int(n) < len(p) {
		return int(n), io.EOF
	}
	return int(n), nil
}

func (h handle) WriteAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n := fileWrite(int32(h), unsafe.Pointer(unsafe.SliceData(p)), int32(len(p)), float64(off))
	if err := result("write", n); err != nil {
		return 0, err
	}
	return int(n), nil
}

func (h handle) Truncate(size int64) error {
	return result("truncate", fileTruncate(int32(h), float64(size)))
}

func (h handle) Size() (int64, error) {
	n := fileSize(int32(h))
	if n < 0 {
		return 0, result("size", int32(n))
	}
	return int64(n), nil
}

func (h handle) Flush() error { return result("flush", fileFlush(int32(h))) }
func (h handle) Close() error { return result("close", fileClose(int32(h))) }
