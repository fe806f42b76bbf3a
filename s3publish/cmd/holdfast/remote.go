package main

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"

	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/s3publish/s3store"
)

// command is the flags of one command, and where the bucket is.
type command struct {
	*flag.FlagSet
	p                                program
	arguments                        string
	endpoint, region, bucket, prefix *string
	virtualHosted                    *bool
}

// flags makes a command's flag set. arguments is what follows the flags, for the usage.
func (p program) flags(name, arguments string) *command {
	c := &command{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), p: p, arguments: arguments}
	c.SetOutput(p.stderr)
	c.Usage = func() {
		fmt.Fprintf(p.stderr, "usage: holdfast %s [flags] %s\n", name, arguments)
		c.PrintDefaults()
	}
	return c
}

// inBucket adds the flags that say where the bucket is.
func (c *command) inBucket() *command {
	env := func(names ...string) string {
		for _, n := range names {
			if v := c.p.env(n); v != "" {
				return v
			}
		}
		return ""
	}
	c.endpoint = c.String("endpoint", env("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"), "`URL` of the S3 service; default: Amazon S3 of the region")
	c.region = c.String("region", env("AWS_REGION", "AWS_DEFAULT_REGION"), "`name` of the region; default: us-east-1")
	c.bucket = c.String("bucket", env("HOLDFAST_BUCKET"), "`name` of the bucket")
	c.prefix = c.String("prefix", env("HOLDFAST_PREFIX"), "`folder` in the bucket")
	c.virtualHosted = c.Bool("virtual-hosted", false, "put the bucket into the host's name instead of the path")
	return c
}

// parse reads flags, and exactly n arguments after them.
func (c *command) parse(args []string, n int) error {
	if err := c.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return wrongUsage(err.Error())
	}
	if c.NArg() != n {
		return wrongUsage(fmt.Sprintf("%s takes %d arguments, not %d: %s", c.Name(), n, c.NArg(), c.arguments))
	}
	return nil
}

// remote opens the bucket. Nothing is asked yet.
func (c *command) remote() (*s3publish.Remote, error) {
	region := *c.region
	if region == "" {
		region = "us-east-1"
	}
	endpoint := *c.endpoint
	if endpoint == "" {
		endpoint = "https://s3." + region + ".amazonaws.com"
	}
	if *c.bucket == "" {
		return nil, wrongUsage("no bucket: set -bucket or HOLDFAST_BUCKET")
	}
	id, secret := c.p.env("AWS_ACCESS_KEY_ID"), c.p.env("AWS_SECRET_ACCESS_KEY")
	if id == "" || secret == "" {
		return nil, wrongUsage("no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	var o s3publish.RemoteOptions
	if text := c.p.env("HOLDFAST_KEY"); text != "" {
		key, err := hex.DecodeString(text)
		if err != nil || len(key) != len(s3publish.Key{}) {
			return nil, wrongUsage("HOLDFAST_KEY is not 64 hex digits")
		}
		o.Key = (*s3publish.Key)(key)
	}
	store, err := s3store.New(s3store.Config{
		Endpoint: endpoint, Region: region, Bucket: *c.bucket, Prefix: *c.prefix, VirtualHosted: *c.virtualHosted,
		Credentials: s3store.Static(s3store.Credentials{AccessKeyID: id, SecretAccessKey: secret, SessionToken: c.p.env("AWS_SESSION_TOKEN")}),
	})
	if err != nil {
		return nil, err
	}
	return s3publish.NewRemote(store, o), nil
}

// parseID reads the id of a snapshot; "" is the zero ID.
func parseID(flag, text string) (s3publish.ID, error) {
	if text == "" {
		return s3publish.ID{}, nil
	}
	id, err := s3publish.ParseID(text)
	if err != nil {
		return id, wrongUsage(fmt.Sprintf("-%s %q is no id of a snapshot", flag, text))
	}
	return id, nil
}
