package opfs

import (
	"errors"
	"io"
	"sync"
)

// File is what a volume is kept in. Its calls block; none is made concurrently with a write.
type File interface {
	// ReadAt follows io.ReaderAt.
	ReadAt(p []byte, off int64) (int, error)
	// WriteAt follows io.WriterAt; it answers an error that wraps ErrQuota, or a short count, when there is no room.
	WriteAt(p []byte, off int64) (int, error)
	Truncate(size int64) error
	Size() (int64, error)
	// Flush makes everything written before it survive a power cut.
	Flush() error
	Close() error
}

// MemFile is a File in memory, for volumes that need not outlive the program. The zero value is an empty file.
type MemFile struct {
	mu sync.RWMutex
	b  []byte
}

// NewMemFile returns an empty file.
func NewMemFile() *MemFile { return &MemFile{} }

// ReadAt implements File.
func (m *MemFile) ReadAt(p []byte, off int64) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if off < 0 || off >= int64(len(m.b)) {
		return 0, io.EOF
	}
	n := copy(p, m.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// WriteAt implements File.
func (m *MemFile) WriteAt(p []byte, off int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if off < 0 {
		return 0, errors.New("negative offset")
	}
	if gap := off + int64(len(p)) - int64(len(m.b)); gap > 0 {
		m.b = append(m.b, make([]byte, gap)...)
	}
	return copy(m.b[off:], p), nil
}

// Truncate implements File.
func (m *MemFile) Truncate(size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := int64(len(m.b)); size > n {
		m.b = append(m.b, make([]byte, size-n)...)
	}
	m.b = m.b[:size]
	return nil
}

// Size implements File.
func (m *MemFile) Size() (int64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return int64(len(m.b)), nil
}

// Flush implements File.
func (m *MemFile) Flush() error { return nil }

// Close implements File.
func (m *MemFile) Close() error { return nil }
