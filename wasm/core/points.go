//go:build js

package main

import (
	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/opfs"
)

// point is an opfs.Point as JavaScript gets it.
type point struct {
	ID        string  `json:"id"`
	Seq       uint64  `json:"seq"`
	CreatedAt float64 `json:"createdAt"` // ms since 1970
	Label     string  `json:"label,omitempty"`
	ParentID  string  `json:"parentId,omitempty"`
	Durable   bool    `json:"durable"`
}

func pointOf(p opfs.Point) point {
	return point{ID: p.ID, Seq: p.Seq, CreatedAt: millis(p.CreatedAt), Label: p.Label, ParentID: p.ParentID, Durable: p.Durable}
}

// snapshot takes one with the label of slot 0. It becomes durable with the next commit.
//
//go:wasmexport snapshot
func snapshot(n int32) int32 {
	p, err := store.Snapshot(text(0, n))
	return jsonResult(pointOf(p), err)
}

// commit makes the present state durable, with the label of slot 0.
//
//go:wasmexport commit
func commit(n int32) int32 {
	c, err := store.Commit(text(0, n))
	return jsonResult(struct {
		point
		BytesWritten int64 `json:"bytesWritten"`
		Flushes      int   `json:"flushes"`
	}{pointOf(c.Point), c.BytesWritten, c.Flushes}, err)
}

// sync is what a guest's fsync needs: a commit, unless it may wait (opfs/COMMIT.md) or nothing changed, and no result but an errno.
//
//go:wasmexport sync
func sync() int32 {
	committed, err := store.Sync()
	if committed {
		excuse(nil)
	}
	if err == nil {
		return 0
	}
	undone = journal{} // what was put back may have been ended in another way
	if isExcused() {
		return 0
	}
	return fail(err)
}

// points lists what can be restored, newest first.
//
//go:wasmexport points
func points() int32 {
	list, err := store.Points()
	if err != nil {
		return fail(err)
	}
	all := make([]point, len(list))
	for i, p := range list {
		all[i] = pointOf(p)
	}
	return jsonResult(all, nil)
}

// restore swaps the tree for that of the point named in slot 0. It is in memory until the next commit.
//
//go:wasmexport restore
func restore(n int32) int32 { return fail(store.Restore(text(0, n))) }

// delete_point takes the point named in slot 0 out of the history. That becomes durable with the next commit.
//
//go:wasmexport delete_point
func deletePoint(n int32) int32 { return fail(store.Delete(text(0, n))) }

// space says what the bytes of the volume's file are used for.
//
//go:wasmexport space
func space() int32 {
	s := store.Space()
	return jsonResult(struct {
		File   int64 `json:"file"`
		Free   int64 `json:"free"`
		Needed int64 `json:"needed"`
	}{s.File, s.Free, s.Needed}, nil)
}

// load returns a point's tree, or a snapshot of the present one for an empty name. The caller releases it.
func load(id string) (*memfs.Snapshot, error) {
	if id == "" {
		return store.FS().Snapshot(), nil
	}
	return store.Load(id)
}

type change struct {
	Path   string     `json:"path"`
	Type   string     `json:"type"`
	Change string     `json:"change"`
	From   string     `json:"from,omitempty"`
	Size   int64      `json:"size"`
	Ranges [][2]int64 `json:"ranges"`
}

// diff lists what differs between the points named in the slots; an empty name is the present state.
//
//go:wasmexport diff
func diff(n, m int32) int32 {
	a, err := load(text(0, n))
	if err != nil {
		return fail(err)
	}
	defer a.Release()
	b, err := load(text(1, m))
	if err != nil {
		return fail(err)
	}
	defer b.Release()
	list, err := memfs.Diff(a, b)
	if err != nil {
		return fail(err)
	}
	return jsonResult(changesOf(list), nil)
}

func changesOf(list []memfs.Change) []change {
	all := make([]change, len(list))
	for i, c := range list {
		all[i] = change{Path: "/" + c.Path, Type: typeName(c.Type), Change: c.Kind.String(), Size: c.Size, Ranges: [][2]int64{}}
		if c.From != "" {
			all[i].From = "/" + c.From
		}
		for _, r := range c.Ranges {
			all[i].Ranges = append(all[i].Ranges, [2]int64{r.Off, r.Len})
		}
	}
	return all
}

func typeName(mode uint32) string {
	switch mode & memfs.S_IFMT {
	case memfs.S_IFREG:
		return "file"
	case memfs.S_IFDIR:
		return "directory"
	case memfs.S_IFLNK:
		return "symlink"
	}
	return "other"
}
