// Package promise lets Go wait for JavaScript promises, and gives JavaScript promises of Go functions.
// It is empty but under GOOS=js.
package promise
