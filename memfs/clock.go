//go:build !holdfastcore

package memfs

import "time"

// Now is the system's clock, in nanoseconds since 1970.
func Now() int64 { return time.Now().UnixNano() }
