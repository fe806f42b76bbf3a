//go:build js

package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"syscall/js"
	"time"

	"github.com/holdfast-fs/holdfast/s3publish"
	"github.com/holdfast-fs/holdfast/s3publish/s3store"
	"github.com/holdfast-fs/holdfast/wasm/promise"
	"github.com/holdfast-fs/holdfast/wasm/s3/fetch"
)

// property is undefined where there is none or its getter throws.
func property(v js.Value, name string) js.Value {
	if t := v.Type(); t != js.TypeObject && t != js.TypeFunction {
		return js.Undefined()
	}
	p, err := promise.Get(v, name)
	if err != nil {
		return js.Undefined()
	}
	return p
}

func text(v js.Value, name string) string {
	if p := property(v, name); p.Type() == js.TypeString {
		return p.String()
	}
	return ""
}

func newStore(config js.Value) (*s3store.Store, error) {
	if config.Type() != js.TypeObject {
		return nil, &s3publish.Error{Op: "configure", Err: fmt.Errorf("%w: the configuration is an object", s3publish.ErrInvalid)}
	}
	c := s3store.Config{
		Endpoint: text(config, "endpoint"), Region: text(config, "region"), Bucket: text(config, "bucket"), Prefix: text(config, "prefix"),
		Client: fetch.Client{Fetch: property(config, "fetch")},
	}
	if p := property(config, "forcePathStyle"); p.Type() == js.TypeBoolean {
		c.VirtualHosted = !p.Bool()
	}
	switch credentials := property(config, "credentials"); credentials.Type() {
	case js.TypeFunction:
		c.Credentials = func(ctx context.Context) (s3store.Credentials, error) {
			v, err := promise.Try(func() js.Value { return credentials.Invoke() })
			if err == nil {
				v, err = promise.Await(ctx, v)
			}
			if err != nil {
				return s3store.Credentials{}, err
			}
			return readCredentials(v)
		}
	case js.TypeObject:
		// Read again when the service refuses them: the caller may have put new ones into the object.
		c.Credentials = func(context.Context) (s3store.Credentials, error) { return readCredentials(credentials) }
	}
	return s3store.New(c)
}

func readCredentials(v js.Value) (s3store.Credentials, error) {
	if v.Type() != js.TypeObject {
		return s3store.Credentials{}, errors.New("credentials are an object")
	}
	c := s3store.Credentials{
		AccessKeyID: text(v, "accessKeyId"), SecretAccessKey: text(v, "secretAccessKey"), SessionToken: text(v, "sessionToken"),
	}
	expires := property(v, "expiration")
	switch {
	case expires.Type() == js.TypeObject && expires.InstanceOf(js.Global().Get("Date")):
		expires = expires.Call("getTime")
	case expires.Type() == js.TypeString: // as STS writes it
		expires = js.Global().Get("Date").Call("parse", expires)
	}
	// A time that is none would never come.
	if expires.Type() == js.TypeNumber && math.Abs(expires.Float()) <= 8.64e15 {
		c.Expires = time.UnixMilli(int64(expires.Float()))
	} else if !expires.IsUndefined() && !expires.IsNull() {
		return c, errors.New("expiration is not a time")
	}
	return c, nil
}
