//go:build js

package promise

import (
	"context"
	"syscall/js"
)

// Rejection is what JavaScript threw, or rejected a promise with. It may be any value.
type Rejection struct{ Reason js.Value }

func (r *Rejection) Error() string {
	if m := r.Text("message"); m != "" {
		return m
	}
	// Only what cannot run the value's own code.
	switch r.Reason.Type() {
	case js.TypeString:
		return r.Reason.String()
	case js.TypeUndefined:
		return "undefined was thrown"
	}
	return "a JavaScript value was thrown: " + r.Reason.Type().String()
}

// Text reads a property of the reason that is a string, "" when there is none.
func (r *Rejection) Text(property string) string {
	if t := r.Reason.Type(); t != js.TypeObject && t != js.TypeFunction {
		return ""
	}
	v, err := Get(r.Reason, property)
	if err != nil || v.Type() != js.TypeString {
		return ""
	}
	return v.String()
}

// Try turns what JavaScript throws during f into a *Rejection. (safejs does the same but does not give the thrown
// value out, whose code and hint we need.)
func Try(f func() js.Value) (v js.Value, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case js.Error:
			v, err = js.Undefined(), &Rejection{r.Value}
		case *js.ValueError:
			v, err = js.Undefined(), r
		default:
			panic(r)
		}
	}()
	return f(), nil
}

var reflect = js.Global().Get("Reflect")

// Get reads a property of an object that is not ours. A getter that throws ends the whole Go program when it is called by
// Value.Get, which is not guarded as Value.Call is (wasm_exec.js, valueGet).
func Get(v js.Value, property string) (js.Value, error) {
	return Try(func() js.Value { return reflect.Call("get", v, property) })
}

// Await waits for a promise; a value that is none is returned as it is. A rejection is a *Rejection. When the context
// is done first, its cause is returned and the promise is left to itself.
//
// It must not be called from a function that JavaScript waits for: the promise could never settle.
func Await(ctx context.Context, v js.Value) (js.Value, error) {
	if v.Type() != js.TypeObject {
		return v, nil
	}
	then, err := Get(v, "then")
	if err != nil {
		return js.Undefined(), err
	}
	if then.Type() != js.TypeFunction {
		return v, nil
	}
	type outcome struct {
		v   js.Value
		err error
	}
	settled := make(chan outcome, 1)
	var resolve, reject js.Func
	settle := func(o outcome) {
		resolve.Release()
		reject.Release()
		settled <- o
	}
	resolve = js.FuncOf(func(_ js.Value, args []js.Value) any {
		settle(outcome{v: first(args)})
		return nil
	})
	reject = js.FuncOf(func(_ js.Value, args []js.Value) any {
		settle(outcome{err: &Rejection{first(args)}})
		return nil
	})
	if _, err := Try(func() js.Value { return v.Call("then", resolve, reject) }); err != nil {
		resolve.Release()
		reject.Release()
		return js.Undefined(), err
	}
	select {
	case o := <-settled:
		return o.v, o.err
	case <-ctx.Done():
		select {
		case o := <-settled: // it was first; select picks any of two that are ready
			return o.v, o.err
		default:
			return js.Undefined(), context.Cause(ctx)
		}
	}
}

func first(args []js.Value) js.Value {
	if len(args) == 0 {
		return js.Undefined()
	}
	return args[0]
}

// New runs f in a goroutine and returns a promise of its result. reason makes the value to reject with of an error.
func New(f func() (js.Value, error), reason func(error) js.Value) js.Value {
	var start js.Func
	start = js.FuncOf(func(_ js.Value, args []js.Value) any {
		resolve, reject := args[0], args[1]
		go func() {
			defer start.Release()
			v, err := f()
			if err != nil {
				reject.Invoke(reason(err))
				return
			}
			resolve.Invoke(v)
		}()
		return nil
	})
	return js.Global().Get("Promise").New(start)
}

// AbortSignal returns an AbortSignal that is aborted when the context is done. Call stop when it is of no use any more.
func AbortSignal(ctx context.Context) (signal js.Value, stop func()) {
	c := js.Global().Get("AbortController").New()
	cancel := context.AfterFunc(ctx, func() { c.Call("abort") })
	return c.Get("signal"), func() { cancel() }
}

// WithSignal returns a context that is cancelled when the AbortSignal is aborted. signal may be undefined or null.
func WithSignal(ctx context.Context, signal js.Value) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if signal.Type() != js.TypeObject {
		return ctx, cancel
	}
	aborted := js.FuncOf(func(js.Value, []js.Value) any {
		cancel()
		return nil
	})
	signal.Call("addEventListener", "abort", aborted)
	if signal.Get("aborted").Truthy() {
		cancel()
	}
	return ctx, func() {
		signal.Call("removeEventListener", "abort", aborted)
		aborted.Release()
		cancel()
	}
}
