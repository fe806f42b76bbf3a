//go:build !holdfastcore

package memfs

import "sync"

type mutex = sync.Mutex
