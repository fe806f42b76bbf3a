//go:build !js

package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/s3publish/gate"
	"github.com/holdfast-fs/holdfast/s3publish/s3store"
	"github.com/holdfast-fs/holdfast/s3publish/storetest"
)

// shell runs the command with an environment of its own.
type shell struct {
	t   *testing.T
	env map[string]string
}

func (s shell) run(args ...string) (code int, out, errs string) {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	p := program{func(name string) string { return s.env[name] }, &stdout, &stderr}
	code = p.run(s.t.Context(), args)
	for _, text := range []string{stdout.String(), stderr.String()} {
		for _, name := range []string{"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "HOLDFAST_KEY", "HOLDFAST_TOKEN_KEY"} {
			if secret := s.env[name]; secret != "" {
				require.NotContains(s.t, text, secret, "%s is printed by %v", name, args)
			}
		}
	}
	return code, stdout.String(), stderr.String()
}

func (s shell) ok(args ...string) string {
	s.t.Helper()
	code, out, errs := s.run(args...)
	require.Zero(s.t, code, "%v: %s", args, errs)
	return strings.TrimSpace(out)
}

func (s shell) with(name, value string) shell {
	s.env = maps.Clone(s.env)
	s.env[name] = value
	return s
}

func open(t *testing.T) (shell, *s3store.Store) {
	t.Helper()
	server := storetest.StartServer(t)
	prefix := fmt.Sprintf("command-%d", time.Now().UnixNano())
	store, err := s3store.New(s3store.Config{Endpoint: server.Endpoint, Region: server.Region, Bucket: server.Bucket, Prefix: prefix,
		Credentials: s3store.Static(s3store.Credentials{AccessKeyID: server.AccessKeyID, SecretAccessKey: server.SecretAccessKey})})
	require.NoError(t, err)
	return shell{t, map[string]string{
		"AWS_ENDPOINT_URL": server.Endpoint, "AWS_REGION": server.Region, "HOLDFAST_BUCKET": server.Bucket, "HOLDFAST_PREFIX": prefix,
		"AWS_ACCESS_KEY_ID": server.AccessKeyID, "AWS_SECRET_ACCESS_KEY": server.SecretAccessKey,
	}}, store
}

func TestASnapshotTravelsToADirectoryAndBack(t *testing.T) {
	sh, store := open(t)
	f := site(t)
	snap := f.Snapshot()
	first, err := s3publish.Publish(t.Context(), store, snap, s3publish.PublishOptions{Volume: "site", Label: "of a browser"})
	require.NoError(t, err)
	dir := t.TempDir()

	target := filepath.Join(dir, "out")
	require.Equal(t, first.ID.String(), sh.ok("pull", "site", target))
	require.Equal(t, inTree(t, f, false), onDisk(t, target))
	code, _, errs := sh.run("pull", "site", target)
	require.Equal(t, exitUsage, code)
	require.Contains(t, errs, "-force")

	// Back, with the parent given. Without it, it is a conflict.
	require.NoError(t, os.WriteFile(filepath.Join(target, "new"), []byte("from the server"), 0o640))
	code, _, errs = sh.run("publish", "site", target)
	require.Equal(t, exitConflict, code)
	require.Contains(t, errs, "-parent "+first.ID.String())
	second := sh.ok("publish", "-parent", first.ID.String(), "-label", "of a server", "site", target)
	again := filepath.Join(dir, "again")
	require.Equal(t, second, sh.ok("pull", "site", again))
	require.Equal(t, onDisk(t, target), onDisk(t, again))
	require.Equal(t, first.ID.String(), sh.ok("pull", "-force", "-snapshot", first.ID.String(), "site", again))
	require.Equal(t, inTree(t, f, false), onDisk(t, again))

	// A directory that is published beside, and over, what is there.
	branch := sh.ok("publish", "-branch", "-parent", first.ID.String(), "site", again)
	require.NotEqual(t, second, branch)
	require.Equal(t, second, sh.ok("pull", "-force", "site", again))
	sh.ok("publish", "-overwrite", "-label", "over", "site", again)

	list := sh.ok("list")
	require.Equal(t, 4, len(strings.Split(list, "\n")), list)
	require.Contains(t, list, `"of a server"`)
	var newest struct {
		ID      string
		Volumes []string
		Current []string
		Label   string
	}
	require.NoError(t, json.Unmarshal([]byte(strings.Split(sh.ok("list", "-json", "-volume", "site"), "\n")[0]), &newest))
	require.Equal(t, []string{"site"}, newest.Current)
	require.Equal(t, "over", newest.Label)

	require.Contains(t, sh.ok("verify"), "0 damages")
	require.Contains(t, sh.ok("prune", "-keep", "1", "-no-grace", "-dry-run"), "would delete snapshots/"+first.ID.String())
	sh.ok("pull", "-force", "-snapshot", first.ID.String(), "site", again)
	require.Contains(t, sh.ok("prune", "-keep", "1", "-no-grace"), "deleted snapshots/"+first.ID.String())
	code, _, _ = sh.run("pull", "-force", "-snapshot", first.ID.String(), "site", again)
	require.Equal(t, exitNotFound, code)
	sh.ok("pull", "-force", "site", again)
	require.Contains(t, sh.ok("verify"), "0 damages")

	packs, err := store.List(t.Context(), "packs/")
	require.NoError(t, err)
	require.NotEmpty(t, packs)
	_, err = store.Put(t.Context(), packs[0].Key, []byte("not a pack"), s3publish.PutOptions{})
	require.NoError(t, err)
	code, out, _ := sh.run("verify")
	require.Equal(t, exitCorrupt, code)
	require.Contains(t, out, packs[0].Key)
}

func TestATarStreamHoldsTheTree(t *testing.T) {
	sh, store := open(t)
	f := memfs.New(memfs.Options{})
	in := f.Inodes()
	long := strings.Repeat("long name ", 24)
	for _, name := range []string{"a", long, "ü"} {
		require.NoError(t, f.WriteFile(name, []byte("content of "+name), 0o640))
	}
	require.NoError(t, f.Mkdir("d", fs.ModeSetgid|0o750))
	require.NoError(t, f.Link("a", "d/second"))
	require.NoError(t, f.Symlink("../a", "d/link"))
	a, err := in.Lookup(memfs.RootIno, "a")
	require.NoError(t, err)
	require.NoError(t, in.SetAttr(a, memfs.SetUID|memfs.SetGID|memfs.SetMode|memfs.SetMtime, memfs.Attr{UID: 33, GID: 3_000_000_000, Mode: 0o4755, Mtime: 1_600_000_000_123_456_789}))
	for name, mode := range map[string]uint32{"pipe": memfs.S_IFIFO, "null": memfs.S_IFCHR, "socket": memfs.S_IFSOCK} {
		_, err = in.Mknod(memfs.RootIno, name, mode|0o600, 1<<8|3)
		require.NoError(t, err)
	}
	_, err = s3publish.Publish(t.Context(), store, f.Snapshot(), s3publish.PublishOptions{Volume: "site"})
	require.NoError(t, err)

	file := filepath.Join(t.TempDir(), "out.tar")
	code, out, errs := sh.run("export", "site")
	require.Zero(t, code)
	require.Contains(t, errs, "1 sockets were left out")
	sh.ok("export", "-o", file, "site")
	written, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, out, string(written))
	code, _, _ = sh.run("export", "-o", file, "site")
	require.Equal(t, exitFailed, code, "a file is not replaced")
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, entries, 1)

	got := map[string]*tar.Header{}
	for r := tar.NewReader(strings.NewReader(out)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		got[h.Name] = h
		if h.Typeflag == tar.TypeReg {
			b, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Equal(t, "content of "+h.Name, string(b))
		}
	}
	require.Len(t, got, 9)
	require.EqualValues(t, tar.TypeReg, got[long].Typeflag)
	require.Equal(t, []any{33, 3_000_000_000, int64(0o4755), int64(1_600_000_000_123_456_789)}, []any{got["a"].Uid, got["a"].Gid, got["a"].Mode, got["a"].ModTime.UnixNano()})
	require.EqualValues(t, tar.TypeLink, got["d/second"].Typeflag)
	require.Equal(t, "a", got["d/second"].Linkname)
	require.Equal(t, "../a", got["d/link"].Linkname)
	require.EqualValues(t, 0o2750, got["d/"].Mode)
	require.EqualValues(t, tar.TypeFifo, got["pipe"].Typeflag)
	require.Equal(t, []int64{1, 3}, []int64{got["null"].Devmajor, got["null"].Devminor})
}

func TestWhatIsEncryptedNeedsItsKey(t *testing.T) {
	sh, _ := open(t)
	dir := t.TempDir()
	source := filepath.Join(dir, "in")
	require.NoError(t, os.Mkdir(source, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(source, "f"), []byte("x"), 0o644))
	locked := sh.with("HOLDFAST_KEY", strings.Repeat("5a", 32))
	locked.ok("publish", "-label", "secret label", "site", source)
	locked.ok("pull", "site", filepath.Join(dir, "out"))
	require.Equal(t, onDisk(t, source), onDisk(t, filepath.Join(dir, "out")))
	for _, other := range []shell{sh, sh.with("HOLDFAST_KEY", strings.Repeat("a5", 32))} {
		code, _, errs := other.run("pull", "site", filepath.Join(dir, "out2"))
		require.NotZero(t, code)
		require.Contains(t, errs, "key")
		require.NoDirExists(t, filepath.Join(dir, "out2"))
		require.NotContains(t, other.ok("list"), "secret label")
	}
	code, _, _ := sh.with("HOLDFAST_KEY", "5a").run("pull", "site", filepath.Join(dir, "out2"))
	require.Equal(t, exitUsage, code)
}

func TestEveryFailureHasItsExitCode(t *testing.T) {
	sh, _ := open(t)
	dir := t.TempDir()
	target := filepath.Join(dir, "out")
	for _, c := range []struct {
		sh   shell
		args []string
		want int
		text string
	}{
		{sh, nil, exitUsage, "usage:"},
		{sh, []string{"help"}, exitOK, ""},
		{sh, []string{"list", "-h"}, exitOK, "-bucket"},
		{sh, []string{"restore"}, exitUsage, "no command"},
		{sh, []string{"pull", "site"}, exitUsage, "takes 2 arguments"},
		{sh, []string{"pull", "-nonsense", "site", target}, exitUsage, "-nonsense"},
		{sh, []string{"pull", "-snapshot", "xyz", "site", target}, exitUsage, "no id"},
		{sh, []string{"pull", "../site", target}, exitUsage, "volume"},
		{sh, []string{"prune", "-grace", "-1h"}, exitUsage, "positive"},
		{sh.with("HOLDFAST_BUCKET", ""), []string{"list"}, exitUsage, "HOLDFAST_BUCKET"},
		{sh.with("AWS_SECRET_ACCESS_KEY", ""), []string{"list"}, exitUsage, "AWS_SECRET_ACCESS_KEY"},
		{sh.with("AWS_ENDPOINT_URL", "nowhere"), []string{"list"}, exitUsage, "endpoint"},
		{sh, []string{"pull", "site", target}, exitNotFound, "Nothing was published"},
		{sh, []string{"list", "-volume", "site"}, exitNotFound, ""},
		{sh.with("HOLDFAST_BUCKET", "no-such-bucket"), []string{"list"}, exitNotFound, "bucket"},
		{sh.with("AWS_SECRET_ACCESS_KEY", "a-wrong-secret"), []string{"list"}, exitCredentials, "access refused"},
		{sh.with("AWS_SESSION_TOKEN", "a-wrong-token"), []string{"list"}, -1, ""},
		{sh, []string{"publish", "site", filepath.Join(dir, "missing")}, exitFailed, "missing"},
	} {
		code, _, errs := c.sh.run(c.args...)
		if c.want >= 0 {
			require.Equal(t, c.want, code, "%v: %s", c.args, errs)
		}
		require.Contains(t, errs, c.text, "%v", c.args)
	}
	require.NoDirExists(t, target)
	require.Equal(t, exitUnreachable, exitCode(fmt.Errorf("x: %w", s3publish.ErrUnreachable)))
}

func TestATokenOfTheCommandOpensTheGateway(t *testing.T) {
	key := strings.Repeat("k", 32)
	sh := shell{t, map[string]string{"HOLDFAST_TOKEN_KEY": key}}
	g, err := gate.Verify([][]byte{[]byte(key)}, sh.ok("token", "-volume", "site", "-rights", "write", "-for", "10m"), time.Now())
	require.NoError(t, err)
	require.Equal(t, gate.Write, g.Rights)
	require.Equal(t, "site", g.Volume)
	require.WithinDuration(t, time.Now().Add(10*time.Minute), g.Expires, time.Minute)
	for _, args := range [][]string{{"token"}, {"token", "-volume", "a/b"}, {"token", "-volume", "a", "-rights", "all"}, {"token", "-volume", "a", "-for", "-1h"}} {
		code, _, _ := sh.run(args...)
		require.Equal(t, exitUsage, code)
	}
	code, _, _ := sh.with("HOLDFAST_TOKEN_KEY", "short").run("token", "-volume", "a")
	require.Equal(t, exitUsage, code)
}
