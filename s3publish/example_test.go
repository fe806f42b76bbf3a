package s3publish_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
)

// Two programs publish the same volume. Only what changed is sent, and the one that did not see the other's work is told so
// instead of overwriting it.
func Example() {
	must := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	ctx := context.Background()
	bucket := &s3publish.MemoryStore{} // or one of package s3store, which speaks to S3

	mine := memfs.New(memfs.Options{})
	must(mine.WriteFile("page", []byte("first"), 0o644))
	must(mine.WriteFile("picture", make([]byte, 100_000), 0o644))
	snap := mine.Snapshot()
	defer snap.Release()
	first, err := s3publish.Publish(ctx, bucket, snap, s3publish.PublishOptions{Volume: "site"})
	must(err)

	theirs := memfs.New(memfs.Options{})
	pulled, info, err := s3publish.Pull(ctx, bucket, theirs, s3publish.PullOptions{Volume: "site"})
	must(err)
	must(theirs.Restore(pulled))
	pulled.Release()
	must(theirs.WriteFile("page", []byte("second"), 0o644))
	next := theirs.Snapshot()
	defer next.Release()
	second, err := s3publish.Publish(ctx, bucket, next, s3publish.PublishOptions{Volume: "site", Parent: info.ID})
	must(err)
	fmt.Println("only the change was sent:", second.ContentNew < 10_000)

	must(mine.WriteFile("page", []byte("mine"), 0o644))
	late := mine.Snapshot()
	defer late.Release()
	_, err = s3publish.Publish(ctx, bucket, late, s3publish.PublishOptions{Volume: "site", Parent: first.ID})
	var conflict *s3publish.ConflictError
	if errors.As(err, &conflict) {
		fmt.Println("theirs is current:", conflict.Theirs.ID == second.ID)
	}
	// Output:
	// only the change was sent: true
	// theirs is current: true
}
