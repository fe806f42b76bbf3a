package s3publish_test

import (
	"testing"

	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/s3publish/storetest"
)

func TestMemoryStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) s3publish.ObjectStore { return &s3publish.MemoryStore{} })
}
