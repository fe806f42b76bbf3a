//go:build js

package main

import (
	"context"
	"time"

	"github.com/holdfast-fs/holdfast/s3publish"
)

type published struct {
	ID        string  `json:"id"`
	ParentID  string  `json:"parentId,omitempty"`
	Label     string  `json:"label,omitempty"`
	CreatedAt float64 `json:"createdAt"`
	Size      int64   `json:"size"`
	Encrypted bool    `json:"encrypted"`
}

func publishedOf(i s3publish.Info) published {
	p := published{ID: i.ID.String(), Label: i.Label, CreatedAt: millis(i.CreatedAt), Size: i.PackBytes, Encrypted: i.Encrypted}
	if !i.Parent.IsZero() {
		p.ParentID = i.Parent.String()
	}
	return p
}

// millis keeps whole milliseconds exact: a float64 cannot hold today's nanoseconds.
func millis(ns int64) float64 { return float64(ns/1e6) + float64(ns%1e6)/1e6 }

// startPublish publishes the snapshot of a reader that JavaScript has opened, and closes.
func startPublish(q request) int32 {
	var o struct {
		Volume, Label, OnConflict, Origin string
		Overwrite                         bool
		Reader                            int32
	}
	return q.serve(&o, func(ctx context.Context, r *remote) (any, error) {
		opts := s3publish.PublishOptions{
			Volume: o.Volume, Label: o.Label, Overwrite: o.Overwrite, Origin: o.Origin,
			CreatedAt: time.Now().UnixMilli() * int64(time.Millisecond), Progress: reporting(q.progress),
		}
		if o.OnConflict == "branch" {
			opts.OnConflict = s3publish.Branch
		}
		var err error
		if opts.Parent, err = q.volume.parent(o.Volume); err != nil {
			return nil, err
		}
		if opts.Like, err = q.volume.lastPulled(); err != nil {
			return nil, err
		}
		res, err := r.Publish(ctx, &source{volume: q.volume, reader: o.Reader}, opts)
		if err != nil {
			return nil, err
		}
		if err := q.volume.setParent(res.Volume, res.ID); err != nil {
			return nil, err
		}
		return struct {
			published
			Name          string `json:"name"`
			Unchanged     bool   `json:"unchanged"`
			ObjectsSent   int    `json:"objectsSent"`
			PacksSent     int    `json:"packsSent"`
			PacksReused   int    `json:"packsReused"`
			PacksReplaced int    `json:"packsReplaced"`
			BytesSent     int64  `json:"bytesSent"`
			ContentNew    int64  `json:"contentNew"`
			ContentAgain  int64  `json:"contentAgain"`
		}{publishedOf(res.Info), res.Volume, res.Unchanged, res.ObjectsSent, res.PacksSent, res.PacksReused, res.PacksReplaced,
			res.BytesSent, res.ContentNew, res.ContentAgain}, nil
	})
}

// startPull fetches and verifies. Its result names the reader, for pull_apply.
func startPull(q request) int32 {
	var o struct{ Volume, Snapshot string }
	return q.serve(&o, func(ctx context.Context, r *remote) (any, error) {
		opts, err := q.pullOptions(o.Volume, o.Snapshot)
		if err != nil {
			return nil, err
		}
		snap, info, err := r.PullInto(ctx, q.volume, func() (s3publish.Stage, error) { return q.volume.newStage() }, opts)
		if err != nil {
			return nil, err
		}
		reader := imported[snap]
		delete(imported, snap)
		if err := q.volume.pulled(reader, info.ID, o.Volume); err != nil {
			return nil, err
		}
		return struct {
			Reader int32     `json:"reader"`
			Info   published `json:"info"`
		}{reader, publishedOf(info)}, nil
	})
}

func (q request) pullOptions(volume, snapshot string) (o s3publish.PullOptions, err error) {
	o.Volume, o.Progress = volume, reporting(q.progress)
	if snapshot != "" {
		o.SnapshotID, err = s3publish.ParseID(snapshot)
	}
	return o, err
}
