//go:build js

package main

// Publishing comes with s3publish's adapter to JavaScript object stores.
func registerRemote() {}

func describeRemote(error, *jsError) {}
