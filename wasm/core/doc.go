//go:build js

// Program core is the WebAssembly module that holds one volume: the filesystem (memfs), its durable store (opfs)
// and the logic of publishing (s3publish). It is only glue between JavaScript and those packages.
//
// JavaScript calls it through exports that take and return numbers, and exchanges names, attributes and lists through
// a fixed scratch area of the module's memory; ABI.md in this folder lists both. Closing a volume drops the instance.
//
// # Rules
//
//   - An export must never block. File I/O goes through opfs's imports, which are synchronous; what waits for a network
//     runs in a goroutine (remote.go) and calls JavaScript back.
//   - A panic ends the instance: half an operation must not be built upon. JavaScript then refuses every later call, and
//     the volume is as of its last commit when it is opened again.
package main
