// Package jsstore is s3publish.ObjectStore and s3publish.Hasher over JavaScript objects: an object store with
// asynchronous methods, and WebCrypto. It is empty but under GOOS=js.
package jsstore
