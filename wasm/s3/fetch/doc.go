// Package fetch is an HTTP client for the AWS SDK that uses JavaScript's fetch. It is empty but under GOOS=js.
package fetch
