//go:build js

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"syscall/js"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
)

// openRemotes are the published snapshots that are being read in place, by number.
var (
	openRemotes = map[int32]*s3publish.Reader{}
	lastRemote  int32
)

func startOpenRemote(q request) int32 {
	var o struct{ Volume, Snapshot string }
	return q.serve(&o, func(ctx context.Context, r *remote) (any, error) {
		opts, err := q.pullOptions(o.Volume, o.Snapshot)
		if err != nil {
			return nil, err
		}
		d, err := r.Open(ctx, opts)
		if err != nil {
			return nil, err
		}
		lastRemote++
		openRemotes[lastRemote] = d
		return struct {
			Reader int32     `json:"reader"`
			Info   published `json:"info"`
		}{lastRemote, publishedOf(d.Info)}, nil
	})
}

type remoteAttr struct {
	Ino         uint64  `json:"ino"`
	Mode        uint32  `json:"mode"`
	Nlink       uint32  `json:"nlink"`
	UID         uint32  `json:"uid"`
	GID         uint32  `json:"gid"`
	Rdev        uint64  `json:"rdev"`
	Size        int64   `json:"size"`
	AtimeMs     float64 `json:"atimeMs"`
	MtimeMs     float64 `json:"mtimeMs"`
	CtimeMs     float64 `json:"ctimeMs"`
	BirthtimeMs float64 `json:"birthtimeMs"`
}

// startReadRemote reads from an open reader. What is read of a file is passed as a Uint8Array, the rest as JSON.
func startReadRemote(q request) int32 {
	return start(q.settle, func(ctx context.Context) (any, error) {
		var o struct {
			Reader         int32
			Op, Path       string
			Offset, Length int64
		}
		if err := json.Unmarshal([]byte(q.options), &o); err != nil {
			return nil, err
		}
		d := openRemotes[o.Reader]
		if d == nil {
			return nil, fmt.Errorf("%w: it was closed", memfs.EBADF)
		}
		switch o.Op {
		case "close":
			delete(openRemotes, o.Reader)
			return nil, nil
		case "readlink":
			return d.ReadLink(ctx, o.Path)
		case "readdir":
			names, err := d.ReadDir(ctx, o.Path)
			type entry struct {
				Name string `json:"name"`
				Type uint32 `json:"type"`
			}
			out := make([]entry, len(names))
			for i, n := range names {
				out[i] = entry{n.Name, n.Type}
			}
			return out, err
		case "read":
			b := make([]byte, o.Length)
			n, err := d.ReadAt(ctx, o.Path, b, o.Offset)
			if err != nil && err != io.EOF {
				return nil, err
			}
			out := js.Global().Get("Uint8Array").New(n)
			js.CopyBytesToJS(out, b[:n])
			return out, nil
		}
		stat := d.Stat
		if o.Op == "lstat" {
			stat = d.Lstat
		}
		a, err := stat(ctx, o.Path)
		return remoteAttr{
			uint64(a.Ino), a.Mode, a.Nlink, a.UID, a.GID, a.Rdev, a.Size, millis(a.Atime), millis(a.Mtime), millis(a.Ctime), millis(a.Btime),
		}, err
	})
}
