package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// chromium is one running browser with a profile of its own.
type chromium struct {
	cmd     *exec.Cmd
	profile string
	gone    chan struct{} // closed when the process has ended
	stderr  lastBytes
}

func startChromium(url string) (*chromium, error) {
	path, err := findChromium()
	if err != nil {
		return nil, err
	}
	profile, err := os.MkdirTemp("", "browserexec-")
	if err != nil {
		return nil, err
	}
	c := &chromium{profile: profile, gone: make(chan struct{})}
	c.cmd = exec.Command(path,
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
		"--no-first-run", "--disable-background-networking", "--disable-component-update",
		"--disable-sync", "--disable-breakpad", "--disable-dev-shm-usage",
		"--user-data-dir="+profile, url)
	c.cmd.Stderr = &c.stderr
	// A process group of its own, so that stop reaches its children and nothing else.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := c.cmd.Start(); err != nil {
		os.RemoveAll(profile)
		return nil, err
	}
	go func() {
		c.cmd.Wait()
		close(c.gone)
	}()
	return c, nil
}

// stop kills this Chromium and its children, and removes the profile.
func (c *chromium) stop() {
	syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	<-c.gone
	// Its children die a moment later and may write until then.
	for range 100 {
		os.RemoveAll(c.profile)
		time.Sleep(10 * time.Millisecond)
		if _, err := os.Stat(c.profile); os.IsNotExist(err) {
			return
		}
	}
}

// log returns the end of what Chromium wrote to stderr.
func (c *chromium) log() string { return c.stderr.String() }

func findChromium() (string, error) {
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium found: install one (make deps), or set CHROMIUM to its path")
}

// lastBytes keeps the last 8 KiB written to it.
type lastBytes struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lastBytes) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf.Write(p)
	if over := l.buf.Len() - 8<<10; over > 0 {
		l.buf.Next(over)
	}
	return len(p), nil
}

func (l *lastBytes) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
