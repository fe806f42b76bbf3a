//go:build js

package main

import (
	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/opfs"
	"github.com/holdfast-fs/holdfast/wasm/jsontext"
)

// putPoint writes an open object, without its end, of an opfs.Point.
func putPoint(t jsontext.Text, p opfs.Point) jsontext.Text {
	t = t.Open('{').Key("id").String(p.ID).Key("seq").Int(int64(p.Seq)).Key("createdAt").Millis(p.CreatedAt).Key("durable").Bool(p.Durable)
	return optional(optional(t, "label", p.Label), "parentId", p.ParentID)
}

// optional writes a member that is left out when it is empty.
func optional(t jsontext.Text, key, s string) jsontext.Text {
	if s == "" {
		return t
	}
	return t.Key(key).String(s)
}

// snapshot takes one with the label of slot 0. It becomes durable with the next commit.
//
//go:wasmexport snapshot
func snapshot(n int32) int32 {
	p, err := store.Snapshot(text(0, n))
	if err != nil {
		return fail(err)
	}
	return result(putPoint(nil, p).Close('}'))
}

// commit makes the present state durable, with the label of slot 0.
//
//go:wasmexport commit
func commit(n int32) int32 {
	c, err := store.Commit(text(0, n))
	if err != nil {
		return fail(err)
	}
	return result(putPoint(nil, c.Point).Key("bytesWritten").Int(c.BytesWritten).Key("flushes").Int(int64(c.Flushes)).Close('}'))
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
	t := jsontext.Text(nil).Open('[')
	for _, p := range list {
		t = putPoint(t, p).Close('}')
	}
	return result(t.Close(']'))
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
	return result(jsontext.Text(nil).Open('{').Key("file").Int(s.File).Key("free").Int(s.Free).Key("needed").Int(s.Needed).Close('}'))
}

// load returns a point's tree, or a snapshot of the present one for an empty name. The caller releases it.
func load(id string) (*memfs.Snapshot, error) {
	if id == "" {
		return store.FS().Snapshot(), nil
	}
	return store.Load(id)
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
	return result(putChanges(nil, list))
}

func putChanges(t jsontext.Text, list []memfs.Change) jsontext.Text {
	t = t.Open('[')
	for _, c := range list {
		t = t.Open('{').Key("path").String("/" + c.Path).Key("type").String(typeName(c.Type)).Key("change").String(c.Kind.String())
		if c.From != "" {
			t = t.Key("from").String("/" + c.From)
		}
		t = t.Key("size").Int(c.Size).Key("ranges").Open('[')
		for _, r := range c.Ranges {
			t = t.Open('[').Int(r.Off).Int(r.Len).Close(']')
		}
		t = t.Close(']').Close('}')
	}
	return t.Close(']')
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
