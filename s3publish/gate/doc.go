// Package gate decides what a browser that has no S3 secret may do with a published volume, and lets it do that.
//
// # Basics
//
// A token names one volume, what may be done with it and until when; it is a JSON Web Token that the operator's own
// server makes (Mint, or any library). A Gateway is an http.Handler that takes such tokens. It holds the S3 secret and
// answers with signed requests that the browser then sends to the S3 service itself; or it has a Bucket and serves the objects.
// Each volume has a folder of its own in the bucket, so a token reaches nothing of another volume, whatever name it asks for.
// GATEWAY.md has the protocol. The program wasm/gateway runs it as a Cloudflare Worker.
//
// # Caveats
//
// A token cannot be taken back before it expires, except by changing the key. A signed request that was handed out can be
// sent for up to 15 minutes, by whoever has it. The number of objects is not limited: whoever may write can fill the bucket.
//
// The package knows neither s3publish, whose code a small Worker need not carry, nor JavaScript. A test compares its rules
// for names with those of s3publish.
package gate
