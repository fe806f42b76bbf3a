package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/s3publish/gate"
)

func (p program) list(ctx context.Context, args []string) error {
	c := p.flags("list", "").inBucket()
	volume := c.String("volume", "", "only the history of this `volume`")
	asJSON := c.Bool("json", false, "one JSON object a line")
	if err := c.parse(args, 0); err != nil {
		return err
	}
	r, err := c.remote()
	if err != nil {
		return err
	}
	found, err := r.List(ctx, s3publish.ListOptions{Volume: *volume})
	if err != nil {
		return err
	}
	for _, s := range found {
		created := time.Unix(0, s.CreatedAt).UTC().Format(time.RFC3339)
		if *asJSON {
			line := map[string]any{
				"id": s.ID.String(), "createdAt": created, "volumes": append([]string{}, s.Volumes...), "current": append([]string{}, s.Current...),
				"files": s.Files, "bytes": s.Bytes, "packs": s.Packs, "packBytes": s.PackBytes, "encrypted": s.Encrypted,
			}
			if !s.Locked {
				line["label"] = s.Label
			}
			if !s.Parent.IsZero() {
				line["parent"] = s.Parent.String()
			}
			b, err := json.Marshal(line)
			if err != nil {
				return err
			}
			fmt.Fprintf(p.stdout, "%s\n", b)
			continue
		}
		volumes := make([]string, len(s.Volumes))
		for i, v := range s.Volumes {
			volumes[i] = v
			if slices.Contains(s.Current, v) {
				volumes[i] += "*"
			}
		}
		label := fmt.Sprintf("%q", s.Label)
		switch {
		case s.Locked:
			label = "(encrypted with another key)"
		case s.Label == "":
			label = ""
		}
		fmt.Fprintf(p.stdout, "%s  %s  %11d  %-20s  %s\n", s.ID, created, s.PackBytes, strings.Join(volumes, ","), label)
	}
	return nil
}

// fetching adds the flags of a command that fetches one snapshot.
func (c *command) fetching() (snapshot *string, limit *int64) {
	return c.String("snapshot", "", "`id` of the snapshot; default: the current one"),
		c.Int64("max-size", 64<<30, "refuse a snapshot whose files have more `bytes` together, holes included")
}

// fetch pulls a snapshot into memory.
func (p program) fetch(ctx context.Context, c *command, volume, snapshot string, limit int64) (*memfs.FS, s3publish.Info, error) {
	id, err := parseID("snapshot", snapshot)
	if err != nil {
		return nil, s3publish.Info{}, err
	}
	r, err := c.remote()
	if err != nil {
		return nil, s3publish.Info{}, err
	}
	files := memfs.New(memfs.Options{})
	snap, info, err := r.Pull(ctx, files, s3publish.PullOptions{Volume: volume, SnapshotID: id})
	if err != nil {
		return nil, info, err
	}
	defer snap.Release()
	if err := files.Restore(snap); err != nil {
		return nil, info, err
	}
	var total int64
	err = walk(files, func(_ string, a memfs.Attr) error {
		if a.Mode&memfs.S_IFMT == memfs.S_IFREG {
			if total += a.Size; total > limit || total < 0 {
				return fmt.Errorf("the files of snapshot %s have more than %d bytes: see -max-size", info.ID, limit)
			}
		}
		return nil
	})
	return files, info, err
}

func (p program) pull(ctx context.Context, args []string) error {
	c := p.flags("pull", "VOLUME DIRECTORY").inBucket()
	snapshot, limit := c.fetching()
	force := c.Bool("force", false, "replace a directory that is not empty")
	owner := c.Bool("owner", false, "set owner, group, and the set-user-id bits, too; needs root")
	if err := c.parse(args, 2); err != nil {
		return err
	}
	// What is wrong with the target is better known before much is fetched.
	if err := checkTarget(c.Arg(1), *force); err != nil {
		return err
	}
	files, info, err := p.fetch(ctx, c, c.Arg(0), *snapshot, *limit)
	if err != nil {
		return err
	}
	if err := restore(ctx, files, c.Arg(1), restoreOptions{force: *force, owner: *owner, warn: p.warn}); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, info.ID)
	return nil
}

func (p program) export(ctx context.Context, args []string) error {
	c := p.flags("export", "VOLUME").inBucket()
	snapshot, limit := c.fetching()
	output := c.String("o", "", "write to this `file` instead, which must not exist")
	if err := c.parse(args, 1); err != nil {
		return err
	}
	if f, ok := p.stdout.(*os.File); ok && *output == "" {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return wrongUsage("a tar stream is not for a terminal: redirect it, or use -o")
		}
	}
	files, _, err := p.fetch(ctx, c, c.Arg(0), *snapshot, *limit)
	if err != nil {
		return err
	}
	if *output == "" {
		return writeTar(ctx, files, p.stdout, p.warn)
	}
	return writeFile(*output, func(w io.Writer) error { return writeTar(ctx, files, w, p.warn) })
}

func (p program) publish(ctx context.Context, args []string) error {
	c := p.flags("publish", "VOLUME DIRECTORY").inBucket()
	label := c.String("label", "", "`text` to find the snapshot by")
	parent := c.String("parent", "", "`id` of the snapshot that the directory was pulled from, which must be current")
	overwrite := c.Bool("overwrite", false, "replace whatever is current; it stays in the history")
	branch := c.Bool("branch", false, "when something else is current, publish under a new name beside it")
	owner := c.Bool("owner", false, "publish owner and group, too; default: all belongs to root")
	if err := c.parse(args, 2); err != nil {
		return err
	}
	id, err := parseID("parent", *parent)
	if err != nil {
		return err
	}
	r, err := c.remote()
	if err != nil {
		return err
	}
	files, counted, err := capture(ctx, c.Arg(1), *owner, p.warn)
	if err != nil {
		return err
	}
	snap := files.Snapshot()
	defer snap.Release()
	o := s3publish.PublishOptions{Volume: c.Arg(0), Parent: id, Label: *label, Overwrite: *overwrite, Files: counted.files, Bytes: counted.bytes}
	if *branch {
		o.OnConflict = s3publish.Branch
	}
	res, err := r.Publish(ctx, snap, o)
	var conflict *s3publish.ConflictError
	if errors.As(err, &conflict) {
		return fmt.Errorf("%w\nCurrent is %s. Pull it and work on that, or publish with -parent %s, -overwrite or -branch", err, conflict.Theirs.ID, conflict.Theirs.ID)
	}
	if err != nil {
		return err
	}
	if res.Volume != c.Arg(0) {
		p.warn("published as %s", res.Volume)
	}
	fmt.Fprintln(p.stdout, res.ID)
	return nil
}

func (p program) verify(ctx context.Context, args []string) error {
	c := p.flags("verify", "").inBucket()
	if err := c.parse(args, 0); err != nil {
		return err
	}
	r, err := c.remote()
	if err != nil {
		return err
	}
	report, err := r.Verify(ctx, s3publish.VerifyOptions{})
	if err != nil {
		return err
	}
	for _, d := range report.Damages {
		fmt.Fprintln(p.stdout, message(d.Err))
	}
	fmt.Fprintf(p.stdout, "%d heads, %d snapshots, %d packs, %d bytes; %d packs that nothing needs; %d damages\n",
		report.Heads, report.Snapshots, report.Packs, report.Bytes, report.Unneeded, len(report.Damages))
	if len(report.Damages) > 0 {
		return fmt.Errorf("%w: %d damages", s3publish.ErrCorrupt, len(report.Damages))
	}
	return nil
}

func (p program) prune(ctx context.Context, args []string) error {
	c := p.flags("prune", "").inBucket()
	keep := c.Int("keep", 0, "`number` of newest snapshots to keep of each volume")
	older := c.Duration("older-than", 0, "give up only what is older than this, such as 720h; with neither this nor -keep, whole histories are kept")
	grace := c.Duration("grace", s3publish.DefaultGracePeriod, "leave alone what was written this lately; it may be of a publish that is under way")
	noGrace := c.Bool("no-grace", false, "nobody is publishing: leave nothing alone")
	dryRun := c.Bool("dry-run", false, "only say what would be deleted")
	if err := c.parse(args, 0); err != nil {
		return err
	}
	if *grace <= 0 || *keep < 0 || *older < 0 {
		return wrongUsage("-keep, -older-than and -grace are positive; see -no-grace")
	}
	if *noGrace {
		*grace = s3publish.NoGrace
	}
	r, err := c.remote()
	if err != nil {
		return err
	}
	report, err := r.Prune(ctx, s3publish.PruneOptions{Keep: *keep, OlderThan: *older, GracePeriod: *grace, DryRun: *dryRun})
	did := "deleted"
	if *dryRun {
		did = "would delete"
	}
	for _, key := range report.Deleted {
		fmt.Fprintln(p.stdout, did, key)
	}
	fmt.Fprintf(p.stdout, "%s %d snapshots and %d packs, %d bytes; kept %d snapshots and %d packs, %d bytes; %d packs wait for the grace period\n",
		did, report.SnapshotsDeleted, report.PacksDeleted, report.BytesDeleted, report.SnapshotsKept, report.PacksKept, report.BytesKept, report.PacksWaiting)
	return err
}

func (p program) token(_ context.Context, args []string) error {
	c := p.flags("token", "")
	volume := c.String("volume", "", "`name` of the volume that the token is for")
	rights := c.String("rights", "read", "read, write or prune; each includes those before it")
	valid := c.Duration("for", time.Hour, "how long it is valid")
	if err := c.parse(args, 0); err != nil {
		return err
	}
	if *valid <= 0 {
		return wrongUsage("-for is positive")
	}
	token, err := gate.Mint([]byte(p.env("HOLDFAST_TOKEN_KEY")), gate.Grant{Volume: *volume, Rights: gate.Rights(*rights), Expires: time.Now().Add(*valid)})
	if err != nil {
		return wrongUsage(err.Error() + " (HOLDFAST_TOKEN_KEY, -volume, -rights)")
	}
	fmt.Fprintln(p.stdout, token)
	return nil
}

func (p program) warn(format string, args ...any) {
	fmt.Fprintf(p.stderr, "holdfast: "+format+"\n", args...)
}
