//go:build !js

package memfs

import "os"

// linkError is os.LinkError where package os comes for free.
type linkError = os.LinkError
