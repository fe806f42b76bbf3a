package gate

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Op is what is to be done with an object.
type Op string

// The four operations of an object store.
const (
	Get    Op = "get"
	Put    Op = "put"
	List   Op = "list"
	Delete Op = "delete"
)

// Request is one operation, as the browser asks for it.
type Request struct {
	Op  Op     `json:"op"`
	Key string `json:"key"` // as in LAYOUT.md of s3publish; of a list, what the keys begin with

	// Of a put.
	Size        int64  `json:"size,omitempty"`
	SHA256      string `json:"sha256,omitempty"` // of the content, 64 lower-case hex digits
	IfMatch     string `json:"ifMatch,omitempty"`
	IfNoneMatch bool   `json:"ifNoneMatch,omitempty"`

	// Of a list: only keys behind this one.
	After string `json:"after,omitempty"`
}

// ErrRefused: the token is good, but not for this. The text says why.
var ErrRefused = errors.New("refused")

func refuse(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
}

// The largest objects that can be written, in bytes. A head has 81 (MaxHead is for checks, too); a pack may have 64 MiB (LAYOUT.md, Snapshot object), and
// a snapshot lists 65,536 packs at most.
const (
	MaxHead     = 1 << 10
	MaxSnapshot = 16 << 20
	MaxPack     = 64 << 20
)

type kind int

const (
	other kind = iota
	mainHead
	branchHead
	snapshot
	pack
	check
)

// Allow tells if a grant covers a request: nil, or an ErrRefused. It is the whole policy:
//
//   - Keys are heads/<volume>, heads/<volume> followed by one of . - _ ~ and a suffix (branches), snapshots/<id>,
//     packs/<id> and checks/<name>; ids have 64 lower-case hex digits. No other key is read, written, listed or deleted.
//   - A snapshot or a pack is written only with content whose SHA-256 is its id.
//   - A head is written only by compare-and-swap.
//   - The volume's own head is never deleted. Who may write may delete checks, which are for finding out what the bucket can do.
func (g Grant) Allow(r Request) error {
	if len(r.Key) > 300 || len(r.After) > 300 {
		return refuse("the key is too long")
	}
	k, id := g.kind(r.Key)
	need := map[Op]Rights{Get: Read, List: Read, Put: Write, Delete: Prune}[r.Op]
	if r.Op == Delete && k == check {
		need = Write
	}
	if need == "" {
		return refuse("there is no operation %.20q", r.Op)
	}
	if g.Rights.level() < need.level() {
		return refuse("the token allows to %s, not to %s", g.Rights, r.Op)
	}
	if r.Op == List {
		if !listable(r.Key) {
			return refuse("what begins with %.80q cannot be listed", r.Key)
		}
		if k, _ := g.kind(r.After); r.After != "" && k == other {
			return refuse("%.80q is no key of this volume", r.After)
		}
		return nil
	}
	switch {
	case k == other:
		return refuse("%.80q is no key of volume %s", r.Key, g.Volume)
	case r.Op == Put:
		return allowPut(k, id, r)
	case r.Op == Delete && k == mainHead:
		return refuse("the head of a volume cannot be deleted")
	}
	return nil
}

func allowPut(k kind, id string, r Request) error {
	limit := map[kind]int64{mainHead: MaxHead, branchHead: MaxHead, check: MaxHead, snapshot: MaxSnapshot, pack: MaxPack}[k]
	switch {
	case r.Size < 1 || r.Size > limit:
		return refuse("%d bytes; 1 to %d are allowed for %.80q", r.Size, limit, r.Key)
	case !validID(r.SHA256):
		return refuse("the hash of the content is missing")
	case id != "" && r.SHA256 != id:
		return refuse("the hash of the content is not the name of the object")
	case r.IfMatch != "" && (r.IfNoneMatch || !validETag(r.IfMatch)):
		return refuse("the condition is not one ETag")
	case (k == mainHead || k == branchHead) && r.IfMatch == "" && !r.IfNoneMatch:
		return refuse("a head is written only with a condition")
	}
	return nil
}

// kind tells what a key is, and the id that it names.
func (g Grant) kind(key string) (kind, string) {
	folder, name, ok := strings.Cut(key, "/")
	if !ok {
		return other, ""
	}
	switch folder {
	case "heads":
		suffix, ours := strings.CutPrefix(name, g.Volume)
		switch {
		case !ours:
			return other, ""
		case suffix == "":
			return mainHead, ""
		case len(suffix) > 1 && strings.IndexByte("-._~", suffix[0]) >= 0 && len(name) <= maxHeadName && safe(suffix):
			return branchHead, ""
		}
	case "snapshots":
		if validID(name) {
			return snapshot, name
		}
	case "packs":
		if validID(name) {
			return pack, name
		}
	case "checks":
		if name != "" && len(name) <= maxCheck && !strings.ContainsFunc(name, func(c rune) bool { return c >= 0x80 || !alphanumeric(byte(c)) }) {
			return check, ""
		}
	}
	return other, ""
}

const (
	maxVolume   = 128 // LAYOUT.md of s3publish, Keys
	maxHeadName = 255
	maxCheck    = 64
)

func validVolume(s string) bool {
	return s != "" && len(s) <= maxVolume && alphanumeric(s[0]) && safe(s) && !strings.Contains(s, "~")
}

// listable: one of the folders, and perhaps the beginning of a name in it.
func listable(prefix string) bool {
	folder, name, ok := strings.Cut(prefix, "/")
	if !ok || folder != "heads" && folder != "snapshots" && folder != "packs" && folder != "checks" {
		return false
	}
	return name == "" || alphanumeric(name[0]) && safe(name)
}

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// safe: only characters that mean themselves in a URL (RFC 3986, section 2.3), and no slash.
func safe(s string) bool {
	for _, c := range []byte(s) {
		if !alphanumeric(c) && strings.IndexByte("-._~", c) < 0 {
			return false
		}
	}
	return true
}

func validID(s string) bool {
	if len(s) != 64 || strings.ToLower(s) != s {
		return false
	}
	_, err := hex.DecodeString(s)
	return err == nil
}

// validETag: a single one, quoted, strong (RFC 9110, section 8.8.3). A list, or *, would weaken the condition.
func validETag(s string) bool {
	if len(s) < 3 || len(s) > 200 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	for _, c := range []byte(s[1 : len(s)-1]) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == ',' {
			return false
		}
	}
	return true
}
