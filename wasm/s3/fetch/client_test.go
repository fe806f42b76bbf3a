//go:build js

package fetch

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/s3publish/s3store"
	"github.com/holdfast-fs/holdfast/s3publish/storetest"
)

func TestTheS3StoreOverFetchKeepsTheContract(t *testing.T) {
	server := storetest.StartServer(t)
	storetest.Run(t, func(t *testing.T) s3publish.ObjectStore {
		s, err := s3store.New(s3store.Config{
			Endpoint: server.Endpoint, Region: server.Region, Bucket: server.Bucket, Prefix: "fetch", Client: Client{},
			Credentials: s3store.Static(s3store.Credentials{AccessKeyID: server.AccessKeyID, SecretAccessKey: server.SecretAccessKey}),
		})
		require.NoError(t, err)
		return s
	})
}
