// Package jsontext writes JSON (RFC 8259), for programs that must stay small: encoding/json, with the reflection that it needs, is
// an eighth of the core module.
package jsontext

import (
	"strconv"
	"unicode/utf8"
)

// Text is JSON as far as it was written. Each method appends to it; commas come by themselves. The caller sees to it that what is
// opened is closed, and that values in objects have keys.
type Text []byte

// next puts a comma between two values.
//
//go:noinline
func (t Text) next() Text {
	if n := len(t); n > 0 && t[n-1] != '{' && t[n-1] != '[' && t[n-1] != ':' {
		t = append(t, ',')
	}
	return t
}

// Open begins an object ('{') or an array ('[').
//
//go:noinline
func (t Text) Open(bracket byte) Text { return append(t.next(), bracket) }

// Close ends it ('}' or ']').
//
//go:noinline
func (t Text) Close(bracket byte) Text { return append(t, bracket) }

// Key begins a member of an object.
//
//go:noinline
func (t Text) Key(name string) Text { return append(t.String(name), ':') }

// Int appends a number.
//
//go:noinline
func (t Text) Int(n int64) Text { return strconv.AppendInt(t.next(), n, 10) }

// Bool appends true or false.
//
//go:noinline
func (t Text) Bool(b bool) Text { return strconv.AppendBool(t.next(), b) }

// Millis appends nanoseconds as milliseconds, with all their digits.
//
//go:noinline
func (t Text) Millis(ns int64) Text {
	whole, rest := ns/1e6, ns%1e6
	t = t.next()
	if rest < 0 {
		rest = -rest
		if whole == 0 {
			t = append(t, '-')
		}
	}
	t = strconv.AppendInt(t, whole, 10)
	if rest != 0 {
		n := len(t)
		t = strconv.AppendInt(t, 1e6+rest, 10) // a one before six digits
		t[n] = '.'
	}
	return t
}

const hex = "0123456789abcdef"

// String appends a string. What is not UTF-8 in it becomes U+FFFD.
//
//go:noinline
func (t Text) String(s string) Text {
	t = append(t.next(), '"')
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == '"' || r == '\\':
			t = append(t, '\\', s[0])
		case r < ' ':
			t = append(t, '\\', 'u', '0', '0', hex[r>>4], hex[r&15])
		default:
			t = utf8.AppendRune(t, r)
		}
		s = s[n:]
	}
	return append(t, '"')
}
