//go:build !js

package opfs

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// osFile is a File of the operating system.
type osFile struct{ *os.File }

// OpenOSFile opens a file of the operating system, made if need be. It does not lock it.
func OpenOSFile(path string) (File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (f osFile) WriteAt(p []byte, off int64) (int, error) {
	n, err := f.File.WriteAt(p, off)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = fmt.Errorf("%w: %w", ErrQuota, err)
	}
	return n, err
}

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f osFile) Flush() error { return f.Sync() }
