//go:build js

// Program remote is the WebAssembly module that publishes and pulls: package s3publish over an object store that JavaScript
// implements. It is loaded by the first call that needs it, and one instance serves all volumes of a page or worker; most of what it does needs none.
//
// The trees of volumes are in the memory of the core modules, one for each open volume. This program reads and fills them
// step by step through JavaScript, which copies bytes from one memory to the other (volume.go here, transfer.go there). ABI.md in
// wasm/core lists the calls.
//
// A panic ends the instance, and the calls that wait for it reject; the volumes go on, and the next call starts another instance.
package main
