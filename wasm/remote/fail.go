//go:build js

package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/holdfast-fs/holdfast/memfs"
	"github.com/holdfast-fs/holdfast/s3publish"
)

// jsError is an error as JavaScript gets it, to make a HoldfastError of.
type jsError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Errno   int    `json:"errno"`
	Path    string `json:"path,omitempty"`
	Hint    string `json:"hint,omitempty"`
	Details any    `json:"details,omitempty"`
}

func describe(err error) []byte {
	e := jsError{Code: s3publish.Code(err), Message: err.Error(), Errno: int(memfs.EIO)}
	var errno memfs.Errno
	var of *volumeError
	switch {
	case errors.As(err, &of): // what happened in the volume names it, and tells more
		e.Code, e.Errno, e.Hint, e.Details = of.Text("code"), of.errno(), of.Text("hint"), of.details()
	case errors.As(err, &errno):
		e.Errno = int(errno) // without a code of ours, JavaScript names it by its number
	case e.Code == "" && errors.Is(err, context.Canceled):
		e.Code = "ErrAborted"
	case e.Code == "":
		e.Code = "ErrInternal"
	}
	var se *s3publish.Error
	if errors.As(err, &se) {
		e.Path = se.Key
		if se.Hint != "" {
			e.Hint = se.Hint
		}
	}
	var c *s3publish.ConflictError
	if errors.As(err, &c) {
		details := map[string]any{"base": nil, "ours": nil, "theirs": nil}
		if !c.Base.IsZero() {
			details["base"] = c.Base.String()
		}
		if !c.Ours.ID.IsZero() {
			details["ours"] = publishedOf(c.Ours)
		}
		if !c.Theirs.ID.IsZero() {
			details["theirs"] = publishedOf(c.Theirs)
		}
		e.Details = details
	}
	b, jsonErr := json.Marshal(e)
	if jsonErr != nil {
		b, _ = json.Marshal(jsError{Code: e.Code, Message: e.Message, Errno: e.Errno})
	}
	return b
}
