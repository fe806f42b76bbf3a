package s3publish

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"
)

// Check is one thing that publishing needs of a store.
type Check struct {
	Name    string // "access", "if-none-match", "if-match", "etag", "range", "date", "clock", "list" or "delete"
	OK      bool
	Problem string // one sentence on what is wrong; "" when OK
	Fix     string // one sentence on what to do about it
	Err     error  // what the store answered, if that is the problem
}

// CheckReport of Remote.Check. A check that could not be made because an earlier one failed is not in it.
type CheckReport struct {
	Checks     []Check
	ClockSkew  time.Duration // the store's clock minus ours, when ClockKnown
	ClockKnown bool
}

// OK tells if the store is as it must be.
func (r CheckReport) OK() bool {
	for _, c := range r.Checks {
		if !c.OK {
			return false
		}
	}
	return len(r.Checks) > 0
}

// maxSkew is how far clocks may differ before Check says so. S3 refuses requests from 15 minutes on.
const maxSkew = 5 * time.Minute

const (
	fixConditions = "Use a service, or a version of it, that supports conditional writes (PutObject with If-None-Match and If-Match): without them two publishers can overwrite each other."
	fixCORS       = "Add the header to ExposeHeaders in the bucket's CORS rules."
)

// Check proves that a store does what publishing needs: conditional writes, ETags and the date that can be seen from here, range
// requests, lists with times, and a clock that agrees with ours. It writes one object under checks/ and removes it again. Its
// error is ErrAborted; whatever else goes wrong is in the report.
func (r *Remote) Check(ctx context.Context) (CheckReport, error) {
	s := r.store
	s.r.Attempts = min(s.r.Attempts, 2) // who checks wants to know soon
	p := &prober{ctx: ctx, s: s, key: checkPrefix + rand.Text()}
	p.run()
	if p.wrote {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err := s.Delete(clean, p.key)
		switch {
		case ctx.Err() != nil || p.stopped:
		case err != nil:
			p.fail("delete", "The store does not let objects be deleted.", "Allow s3:DeleteObject: checking and pruning need it.", err)
		default:
			p.deleted()
		}
	}
	if ctx.Err() != nil {
		return p.report, aborted(ctx, "check", "")
	}
	return p.report, nil
}

type prober struct {
	ctx     context.Context
	s       retrying
	key     string
	wrote   bool
	stopped bool // nothing more can be learnt
	report  CheckReport
}

func (p *prober) ok(name string) {
	p.report.Checks = append(p.report.Checks, Check{Name: name, OK: true})
}

func (p *prober) fail(name, problem, fix string, err error) {
	var e *Error
	if errors.As(err, &e) && e.Hint != "" && name == "access" {
		fix = e.Hint
	}
	p.report.Checks = append(p.report.Checks, Check{Name: name, Problem: problem, Fix: fix, Err: err})
}

// access reports an error that says nothing of what was being tested.
func (p *prober) access(err error) bool {
	problem, fix := "", ""
	switch {
	case p.ctx.Err() != nil:
		p.stopped = true
		return true
	case errors.Is(err, ErrCredentials):
		problem, fix = "The store refuses these credentials.", "Check the access key, the secret, the region, and that the key may get, put, list and delete in this bucket."
	case errors.Is(err, ErrNoBucket):
		problem, fix = "The bucket does not exist.", "Create it, or correct its name, the endpoint or the region."
	case errors.Is(err, ErrClock):
		p.stopped = true
		p.fail("clock", "The store refuses requests because this machine's clock is too far from its own.", "Set this machine's clock.", err)
		return true
	case errors.Is(err, ErrUnreachable):
		problem, fix = "The store cannot be reached.", "Check the endpoint and the network; a bucket that a browser uses also needs CORS rules that allow the page's origin, the methods GET, PUT and DELETE, and all headers."
	default:
		return false
	}
	p.stopped = true
	p.fail("access", problem, fix, err)
	return true
}

func (p *prober) run() {
	first, err := p.s.Put(p.ctx, p.key, []byte("first"), PutOptions{IfNoneMatch: true})
	p.wrote = true // or may have
	if p.access(err) {
		return
	}
	if err != nil {
		p.fail("if-none-match", "The store refused a write with If-None-Match: * where there was no object.", fixConditions, err)
		if first, err = p.s.Put(p.ctx, p.key, []byte("first"), PutOptions{}); err != nil {
			if !p.access(err) {
				p.fail("access", "The store refuses a simple write.", "Check the endpoint and what the key may do in this bucket.", err)
			}
			return
		}
	}
	p.ok("access")
	_, err = p.s.Put(p.ctx, p.key, []byte("again"), PutOptions{IfNoneMatch: true})
	switch {
	case errors.Is(err, ErrPrecondition):
		if !p.failed("if-none-match") {
			p.ok("if-none-match")
		}
	case err == nil:
		p.fail("if-none-match", "A write with If-None-Match: * replaced an object that was there.", fixConditions, nil)
	case p.access(err):
		return
	default:
		p.fail("if-none-match", "The store does not know If-None-Match.", fixConditions, err)
	}
	began := time.Now()
	o, err := p.s.Get(p.ctx, p.key, 0, 64)
	if p.access(err) {
		return
	}
	if err != nil {
		p.fail("access", "What was written cannot be read.", "Allow s3:GetObject, and check that the endpoint is of one consistent service.", err)
		return
	}
	p.etags(first, o.ETag)
	p.ranges()
	p.date(o.Date, began)
	p.list()
}

func (p *prober) failed(name string) bool {
	for _, c := range p.report.Checks {
		if c.Name == name && !c.OK {
			return true
		}
	}
	return false
}

func (p *prober) etags(put, got string) {
	switch {
	case put == "" || got == "":
		p.fail("etag", "The ETag header of the store's answers cannot be seen.", fixCORS, nil)
		return
	case put != got && !p.failed("if-none-match"):
		p.fail("etag", "The ETag of a read is not that of the write before it.", "Check that nothing between here and the store changes objects or their headers.", nil)
		return
	}
	p.ok("etag")
	if _, err := p.s.Put(p.ctx, p.key, []byte("second"), PutOptions{IfMatch: got}); err != nil {
		if !p.access(err) {
			p.fail("if-match", "The store refused a write with If-Match and the ETag that it gave.", fixConditions, err)
		}
		return
	}
	_, err := p.s.Put(p.ctx, p.key, []byte("third"), PutOptions{IfMatch: got})
	switch {
	case errors.Is(err, ErrPrecondition):
		p.ok("if-match")
	case err == nil:
		p.fail("if-match", "A write with If-Match replaced an object that had changed.", fixConditions, nil)
	case !p.access(err):
		p.fail("if-match", "The store does not know If-Match.", fixConditions, err)
	}
}

func (p *prober) ranges() {
	if p.stopped {
		return
	}
	whole, err := p.s.Get(p.ctx, p.key, 0, 64)
	var part Object
	if err == nil {
		part, err = p.s.Get(p.ctx, p.key, 1, 3)
	}
	switch {
	case err == nil && len(whole.Data) >= 4 && bytes.Equal(part.Data, whole.Data[1:4]):
		p.ok("range")
	case !p.access(err):
		p.fail("range", "The store does not answer range requests as asked.", "Check that nothing between here and the store drops the Range header, and add Content-Range to ExposeHeaders in the bucket's CORS rules.", err)
	}
}

func (p *prober) date(date, began time.Time) {
	if p.stopped {
		return
	}
	if date.IsZero() {
		p.fail("date", "The Date header of the store's answers cannot be seen.", fixCORS, nil)
		return
	}
	p.ok("date")
	skew := date.Sub(began)
	if d := time.Since(began); skew > 0 {
		skew = max(0, skew-d) // the request took some of it
	}
	p.report.ClockSkew, p.report.ClockKnown = skew, true
	if skew.Abs() <= maxSkew {
		p.ok("clock")
		return
	}
	side := "behind"
	if skew < 0 {
		side = "ahead of"
	}
	p.fail("clock", fmt.Sprintf("This machine's clock is %v %s the store's.", skew.Abs().Round(time.Second), side),
		"Set this machine's clock: signatures may be refused, and snapshots carry wrong dates.", nil)
}

func (p *prober) list() {
	if p.stopped {
		return
	}
	all, err := p.s.List(p.ctx, p.key)
	switch {
	case p.access(err):
	case err != nil:
		p.fail("list", "The store does not list objects.", "Allow s3:ListBucket: listing and pruning snapshots need it.", err)
	case len(all) != 1 || all[0].Key != p.key:
		p.fail("list", "The store's list lacks what was just written.", "Use a service whose lists are consistent: pruning relies on it.", nil)
	case all[0].Modified.IsZero():
		p.fail("list", "The store's list does not tell when objects were written.", "Use a service that tells: pruning relies on it.", nil)
	default:
		p.ok("list")
	}
}

func (p *prober) deleted() {
	_, err := p.s.Get(p.ctx, p.key, 0, 64)
	switch {
	case errors.Is(err, ErrNotFound):
		p.ok("delete")
	case !p.access(err):
		p.fail("delete", "An object that was deleted can still be read.", "Use a service whose reads are consistent with deletions.", err)
	}
}
