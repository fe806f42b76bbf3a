//go:build js

package main

import (
	"context"
	"time"

	"github.com/holdfast-fs/holdfast/s3publish"
)

// What can be done with an object store alone: no volume need be open in this program.

type listed struct {
	published
	Files    int64    `json:"files"`
	Bytes    int64    `json:"bytes"`
	Modified float64  `json:"modified"`
	Locked   bool     `json:"locked"`
	Volumes  []string `json:"volumes"`
	Current  []string `json:"current"`
}

func startList(q request) int32 {
	var o struct{ Volume string }
	return q.serve(&o, func(ctx context.Context, r *remote) (any, error) {
		list, err := r.List(ctx, s3publish.ListOptions{Volume: o.Volume, Progress: reporting(q.progress)})
		if err != nil {
			return nil, err
		}
		all := make([]listed, len(list))
		for i, p := range list {
			all[i] = listed{
				published: publishedOf(p.Info), Files: p.Files, Bytes: p.Bytes, Locked: p.Locked,
				Volumes: append([]string{}, p.Volumes...), Current: append([]string{}, p.Current...),
			}
			if !p.Modified.IsZero() {
				all[i].Modified = float64(p.Modified.UnixMilli())
			}
		}
		return all, nil
	})
}

type checked struct {
	Name    string `json:"name"`
	OK      bool   `json:"ok"`
	Problem string `json:"problem,omitempty"`
	Fix     string `json:"fix,omitempty"`
	Code    string `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
}

func startCheck(q request) int32 {
	return q.serve(&struct{}{}, func(ctx context.Context, r *remote) (any, error) {
		report, err := r.Check(ctx)
		if err != nil {
			return nil, err
		}
		out := struct {
			OK        bool      `json:"ok"`
			Checks    []checked `json:"checks"`
			ClockSkew *int64    `json:"clockSkew"`
		}{OK: report.OK()}
		for _, c := range report.Checks {
			one := checked{Name: c.Name, OK: c.OK, Problem: c.Problem, Fix: c.Fix}
			if c.Err != nil {
				one.Code, one.Message = s3publish.Code(c.Err), c.Err.Error()
			}
			out.Checks = append(out.Checks, one)
		}
		if report.ClockKnown {
			ms := report.ClockSkew.Milliseconds()
			out.ClockSkew = &ms
		}
		return out, nil
	})
}

type damage struct {
	Key     string `json:"key"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

func startVerifyRemote(q request) int32 {
	return q.serve(&struct{}{}, func(ctx context.Context, r *remote) (any, error) {
		report, err := r.Verify(ctx, s3publish.VerifyOptions{Progress: reporting(q.progress)})
		if err != nil {
			return nil, err
		}
		damages := []damage{}
		for _, d := range report.Damages {
			damages = append(damages, damage{d.Key, s3publish.Code(d.Err), d.Err.Error()})
		}
		return struct {
			Heads     int      `json:"heads"`
			Snapshots int      `json:"snapshots"`
			Packs     int      `json:"packs"`
			Bytes     int64    `json:"bytes"`
			Unneeded  int      `json:"unneeded"`
			Abandoned int      `json:"abandoned"`
			Locked    int      `json:"locked"`
			Damages   []damage `json:"damages"`
		}{report.Heads, report.Snapshots, report.Packs, report.Bytes, report.Unneeded, report.Abandoned, report.Locked, damages}, nil
	})
}

func startPrune(q request) int32 {
	var o struct {
		Keep        int
		OlderThan   float64 // ms
		GracePeriod *float64
		DryRun      bool
	}
	return q.serve(&o, func(ctx context.Context, r *remote) (any, error) {
		opts := s3publish.PruneOptions{Keep: o.Keep, OlderThan: duration(o.OlderThan), DryRun: o.DryRun, Progress: reporting(q.progress)}
		if o.GracePeriod != nil {
			if opts.GracePeriod = duration(*o.GracePeriod); opts.GracePeriod == 0 {
				opts.GracePeriod = s3publish.NoGrace
			}
		}
		report, err := r.Prune(ctx, opts)
		if err != nil {
			return nil, err
		}
		return struct {
			SnapshotsKept    int      `json:"snapshotsKept"`
			PacksKept        int      `json:"packsKept"`
			BytesKept        int64    `json:"bytesKept"`
			SnapshotsDeleted int      `json:"snapshotsDeleted"`
			PacksDeleted     int      `json:"packsDeleted"`
			BytesDeleted     int64    `json:"bytesDeleted"`
			PacksWaiting     int      `json:"packsWaiting"`
			BytesWaiting     int64    `json:"bytesWaiting"`
			Deleted          []string `json:"deleted"`
		}{report.SnapshotsKept, report.PacksKept, report.BytesKept, report.SnapshotsDeleted, report.PacksDeleted, report.BytesDeleted,
			report.PacksWaiting, report.BytesWaiting, append([]string{}, report.Deleted...)}, nil
	})
}

// duration is of milliseconds, which JavaScript has checked to be 0 or more; what is longer than Go can say is for ever.
func duration(ms float64) time.Duration {
	return time.Duration(min(ms*float64(time.Millisecond), 1<<62))
}
