//go:build js

package opfs

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// In Chromium this is a real FileSystemSyncAccessHandle on OPFS, under Node a real file: the program that runs the tests
// offers a few, by number.
func TestHandleKeepsTheContract(t *testing.T) {
	f := OpenHandle(0)
	require.NoError(t, f.Truncate(0))
	fileContract(t, f)
	storeContract(t, f)
}
