//go:build js

package main

// STUB until s3publish lands
func registerRemote() {}

func describeRemote(err error, e *jsError) {}
