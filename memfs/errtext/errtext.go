// Package errtext makes errors and texts as package fmt does, without it: fmt, and the reflection that it needs, is a tenth of the
// module that a page loads first.
package errtext

import "strconv"

// Errorf is fmt.Errorf for the verbs of Sprintf and %w.
func Errorf(format string, args ...any) error {
	e := &wrapped{text: Sprintf(format, args...)}
	for i, at := 0, 0; i+1 < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		if i++; format[i] == '%' {
			continue
		}
		if err, ok := args[at].(error); ok && format[i] == 'w' {
			e.errs = append(e.errs, err)
		}
		at++
	}
	return e
}

type wrapped struct {
	text string
	errs []error
}

func (e *wrapped) Error() string   { return e.text }
func (e *wrapped) Unwrap() []error { return e.errs }

// Sprintf is fmt.Sprintf for %d of an int, int32, int64, uint32 or uint64, for %s, %v and %w of a string or an error, for %q of a string (whose characters stay as they are) and for %x
// of a []byte. Of types that are made of these it knows those with a method String.
func Sprintf(format string, args ...any) string {
	b := make([]byte, 0, len(format)+16*len(args))
	at := 0
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b = append(b, format[i])
			continue
		}
		i++
		if format[i] == '%' {
			b = append(b, '%')
			continue
		}
		b = appendValue(b, format[i], args[at])
		at++
	}
	return string(b)
}

func appendValue(b []byte, verb byte, v any) []byte {
	switch v := v.(type) {
	case string:
		if verb == 'q' {
			return append(append(append(b, '"'), v...), '"')
		}
		return append(b, v...)
	case error:
		return append(b, v.Error()...)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int32:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case uint32:
		return strconv.AppendUint(b, uint64(v), 10)
	case uint64:
		return strconv.AppendUint(b, v, 10)
	case interface{ String() string }:
		return append(b, v.String()...)
	case []byte:
		for _, c := range v {
			b = append(b, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		}
		return b
	}
	return append(append(b, '%', '!'), verb)
}
