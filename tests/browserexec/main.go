// Browserexec runs a GOOS=js test binary inside a dedicated worker of a
// headless Chromium, where OPFS sync access handles exist:
//
//	GOOS=js GOARCH=wasm go test -exec "$PWD/build/browserexec" ./opfs
//
// Output is streamed, the exit code is the test's, and the files of the
// package's folder (testdata) can be read. Before the program starts, the
// worker opens a pool of OPFS files and offers them as the import module
// "holdfast" (handles.mjs), so that a js-tagged test reaches real storage.
//
// Every run has its own Chromium, its own empty profile and its own port, and
// leaves nothing behind. Chromium is $CHROMIUM, or the first of chromium,
// chromium-browser, google-chrome in PATH.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// startLimit bounds the time from starting Chromium to its first request for
// the test binary. The test itself is bounded by -test.timeout.
const startLimit = 2 * time.Minute

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: go test -exec browserexec (the test binary and its arguments follow)")
		os.Exit(2)
	}
	code, err := run(os.Args[1], os.Args[1:], passedEnv(os.Environ()))
	if err != nil {
		fmt.Fprintln(os.Stderr, "browserexec:", err)
		code = 2
	}
	os.Exit(code)
}

// run returns the exit code that the program in the worker ended with.
func run(binary string, argv, env []string) (int, error) {
	srv, err := serve(binary, argv, env)
	if err != nil {
		return 0, err
	}
	defer srv.close()

	signals := make(chan os.Signal, 1)
	// SIGPIPE too: a reader that went away must not leave Chromium running.
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGPIPE)

	browser, err := startChromium(srv.url)
	if err != nil {
		return 0, err
	}
	defer browser.stop()

	late := time.NewTimer(startLimit)
	defer late.Stop()
	for {
		select {
		case <-srv.started:
			late.Stop()
			srv.started = nil
		case code := <-srv.exited:
			return code, nil
		case message := <-srv.failed:
			return 0, fmt.Errorf("the worker failed: %s", message)
		case <-browser.gone:
			return 0, fmt.Errorf("the browser ended before the test did:\n%s", browser.log())
		case sig := <-signals:
			return 0, fmt.Errorf("stopped by %v", sig)
		case <-late.C:
			return 0, fmt.Errorf("the page did not start within %v:\n%s", startLimit, browser.log())
		}
	}
}

// passedEnv keeps the variables that a test may look at. The Go runtime
// refuses to start when arguments and environment exceed 8 KiB, which a whole
// environment easily does.
func passedEnv(environ []string) []string {
	kept := []string{}
	for _, kv := range environ {
		for _, prefix := range []string{"HOLDFAST_", "RAPID_", "GODEBUG=", "GOGC=", "GOMEMLIMIT=", "GOTRACEBACK=", "TZ=", "CI="} {
			if strings.HasPrefix(kv, prefix) {
				kept = append(kept, kv)
			}
		}
	}
	return kept
}
