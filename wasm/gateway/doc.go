//go:build js

// Command gateway is the Cloudflare Worker in front of a bucket: package gate with the bindings of Workers around it.
//
// worker.mjs starts it, anew for each request: what belongs to one request may not be touched by another in Workers.
// README.md says how it is deployed.
package main
