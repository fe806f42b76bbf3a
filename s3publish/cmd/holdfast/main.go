// Command holdfast is for whoever runs the bucket that volumes are published to: it lists, restores, publishes, checks and prunes what is
// there, from a server or a shell.
//
//	holdfast pull -bucket sites -prefix demo my-site ./my-site
//	sqlite3 ./my-site/wp-content/database/.ht.sqlite 'PRAGMA integrity_check'
//
// Run it without arguments for its usage. It is the same code that browsers run (package s3publish). A volume is held in memory while it
// is pulled, exported or published.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/holdfast-fs/holdfast/s3publish"
)

const usage = `usage: holdfast COMMAND [flags] [arguments]

  list                        the published snapshots, newest first
  pull VOLUME DIRECTORY       restore a snapshot into a new or empty directory; prints its id
  export VOLUME               write a snapshot as a tar stream to standard output
  publish VOLUME DIRECTORY    publish a directory; prints the id of the snapshot
  verify                      read everything that is published and check it
  prune                       delete what no kept snapshot needs
  token                       make a token for the gateway

"holdfast COMMAND -h" lists a command's flags.

Where the bucket is: -endpoint, -region, -bucket, -prefix, or the environment:
  AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL   default: Amazon S3 of the region
  AWS_REGION, AWS_DEFAULT_REGION          default: us-east-1
  HOLDFAST_BUCKET, HOLDFAST_PREFIX
Secrets come from the environment only:
  AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN
  HOLDFAST_KEY         64 hex digits: the key of what is published encrypted
  HOLDFAST_TOKEN_KEY   of token: the gateway's key

It ends with 0 when all went well, and otherwise with
  1  something failed          4  somebody else moved the volume's head
  2  wrong usage               5  what is published is damaged
  3  no such thing published   6  the service refused the credentials
                               7  the service cannot be reached
`

// Exit codes; usage says what they mean.
const (
	exitOK = iota
	exitFailed
	exitUsage
	exitNotFound
	exitConflict
	exitCorrupt
	exitCredentials
	exitUnreachable
)

// wrongUsage is an error of whoever typed the command.
type wrongUsage string

func (e wrongUsage) Error() string { return string(e) }

// program is one run, with what it takes from its surroundings.
type program struct {
	env            func(string) string
	stdout, stderr io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(program{os.Getenv, os.Stdout, os.Stderr}.run(ctx, os.Args[1:]))
}

// run answers the exit code.
func (p program) run(ctx context.Context, args []string) int {
	commands := map[string]func(context.Context, []string) error{
		"list": p.list, "pull": p.pull, "export": p.export, "publish": p.publish, "verify": p.verify, "prune": p.prune, "token": p.token,
	}
	if len(args) == 0 {
		fmt.Fprint(p.stderr, usage)
		return exitUsage
	}
	command := commands[args[0]]
	switch {
	case args[0] == "help" || args[0] == "-h" || args[0] == "-help" || args[0] == "--help":
		fmt.Fprint(p.stdout, usage)
		return exitOK
	case command == nil:
		fmt.Fprintf(p.stderr, "holdfast: there is no command %q\n\n%s", args[0], usage)
		return exitUsage
	}
	err := command(ctx, args[1:])
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	var known *s3publish.Error
	var use wrongUsage
	fmt.Fprintln(p.stderr, message(err))
	switch {
	case errors.As(err, &known) && known.Hint != "":
		fmt.Fprintln(p.stderr, known.Hint)
	case errors.As(err, &use):
		fmt.Fprintf(p.stderr, "\"holdfast %s -h\" lists its flags.\n", args[0])
	}
	return exitCode(err)
}

func message(err error) string {
	text := err.Error()
	if len(text) < 9 || text[:9] != "holdfast:" {
		text = "holdfast: " + text
	}
	return text
}

func exitCode(err error) int {
	var use wrongUsage
	switch {
	case errors.As(err, &use), errors.Is(err, s3publish.ErrInvalid):
		return exitUsage
	case errors.Is(err, s3publish.ErrConflict):
		return exitConflict
	case errors.Is(err, s3publish.ErrCorrupt), errors.Is(err, s3publish.ErrVersion):
		return exitCorrupt
	case errors.Is(err, s3publish.ErrNotFound), errors.Is(err, s3publish.ErrNoBucket):
		return exitNotFound
	case errors.Is(err, s3publish.ErrCredentials):
		return exitCredentials
	case errors.Is(err, s3publish.ErrUnreachable), errors.Is(err, s3publish.ErrClock):
		return exitUnreachable
	}
	return exitFailed
}
