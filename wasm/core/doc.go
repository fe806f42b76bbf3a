//go:build js

// Program core is the WebAssembly module that holds one volume: the filesystem (memfs) and its durable store (opfs). It is
// only glue between JavaScript and those packages. Publishing is another module, wasm/remote.
//
// JavaScript calls it through exports that take and return numbers, and exchanges names, attributes and lists through
// a fixed scratch area of the module's memory; ABI.md in this folder lists both. Closing a volume drops the instance.
//
// # Rules
//
//   - An export must never block. File I/O goes through opfs's imports, which are synchronous; what takes long, or needs answers of
//     JavaScript, is a coroutine that waits between two calls (task.go, transfer.go).
//   - A panic ends the instance: half an operation must not be built upon. JavaScript then refuses every later call, and
//     the volume is as of its last commit when it is opened again.
//   - Everybody who opens a page waits for this module, so it stays small: less than 700 kB compressed. It is built with the tag holdfastcore (see
//     memfs), and a test says which packages it must not link.
package main
