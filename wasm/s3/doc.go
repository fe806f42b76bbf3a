//go:build js

// The S3 module: an object store for JavaScript on the AWS SDK, over fetch. It is a program of its own, loaded on the
// first publish, because the SDK is several times larger than the rest.
//
// Its main sets the global function holdfastS3(config), which returns at once the object that package jsstore describes.
// A configuration that cannot be right makes every method of that object reject with ErrInvalid.
//
//	config: { endpoint, region?, bucket, prefix?, forcePathStyle? (default true), fetch?, credentials }
//	credentials: { accessKeyId, secretAccessKey, sessionToken?, expiration? (Date or number of ms) } or a function that
//	             returns such an object or a promise of one
//
// The bytes of objects never enter this module's memory: put hands the caller's Uint8Array to fetch, get hands fetch's
// answer to the caller.
package main
