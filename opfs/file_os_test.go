//go:build !js

package opfs

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOSFileKeepsTheContract(t *testing.T) {
	f, err := OpenOSFile(filepath.Join(t.TempDir(), "log"))
	require.NoError(t, err)
	fileContract(t, f)
	storeContract(t, f)
	require.NoError(t, f.Close())
}
