package main

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

//go:embed page.html page.mjs worker.mjs handles.mjs
var assets embed.FS

// server gives the page what it runs and takes what the test says. Output
// arrives by synchronous requests, so it keeps its order and nothing is lost
// when the program exits right after printing.
type server struct {
	url     string
	started chan struct{} // closed when the worker asks for the test binary
	exited  chan int
	failed  chan string
	http    *http.Server
}

func serve(binary string, argv, env []string) (*server, error) {
	wasmExec, err := wasmExecPath()
	if err != nil {
		return nil, err
	}
	binary, err = filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	folder, err := os.Getwd() // go test starts us in the package's folder
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(map[string]any{"argv": argv, "env": env})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{
		url:     "http://" + listener.Addr().String() + "/",
		started: make(chan struct{}),
		exited:  make(chan int, 1),
		failed:  make(chan string, 1),
	}
	var once sync.Once
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", asset("page.html", "text/html; charset=utf-8"))
	mux.Handle("GET /page.mjs", asset("page.mjs", "text/javascript"))
	mux.Handle("GET /worker.mjs", asset("worker.mjs", "text/javascript"))
	mux.Handle("GET /handles.mjs", asset("handles.mjs", "text/javascript"))
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /wasm_exec.js", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		http.ServeFile(w, r, wasmExec)
	})
	mux.HandleFunc("GET /config.json", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(config)
	})
	started := s.started
	mux.HandleFunc("GET /test.wasm", func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() { close(started) })
		w.Header().Set("Content-Type", "application/wasm")
		http.ServeFile(w, r, binary)
	})
	mux.HandleFunc("POST /stdout", func(w http.ResponseWriter, r *http.Request) { io.Copy(os.Stdout, r.Body) })
	mux.HandleFunc("POST /stderr", func(w http.ResponseWriter, r *http.Request) { io.Copy(os.Stderr, r.Body) })
	mux.HandleFunc("POST /exit", func(w http.ResponseWriter, r *http.Request) {
		code, err := strconv.Atoi(r.URL.Query().Get("code"))
		if err != nil {
			code = 2
		}
		select {
		case s.exited <- code:
		default:
		}
	})
	mux.HandleFunc("POST /fail", func(w http.ResponseWriter, r *http.Request) {
		message, _ := io.ReadAll(r.Body)
		select {
		case s.failed <- string(message):
		default:
		}
	})
	mux.Handle("GET /folder/", http.StripPrefix("/folder/", readOnly(os.DirFS(folder))))

	s.http = &http.Server{Handler: isolated(mux)}
	go s.http.Serve(listener)
	return s, nil
}

func (s *server) close() { s.http.Shutdown(context.Background()) }

func asset(name, mime string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := assets.ReadFile(name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		w.Header().Set("Content-Type", mime)
		w.Write(data)
	})
}

// isolated makes the page cross-origin isolated, which gives the worker the
// fine clock (5 µs instead of 100 µs).
func isolated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
		w.Header().Set("Cross-Origin-Embedder-Policy", "require-corp")
		w.Header().Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// readOnly answers with a file's bytes, or with a folder's entries as a JSON
// list; the header X-Kind says which.
func readOnly(folder fs.FS) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimSuffix(r.URL.Path, "/")
		if name == "" {
			name = "."
		}
		info, err := fs.Stat(folder, name)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrInvalid):
			http.NotFound(w, r)
			return
		case err != nil:
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("X-Mtime", strconv.FormatInt(info.ModTime().UnixMilli(), 10))
		if !info.IsDir() {
			w.Header().Set("X-Kind", "file")
			w.Header().Set("Content-Type", "application/octet-stream")
			http.ServeFileFS(w, r, folder, name)
			return
		}
		entries, err := fs.ReadDir(folder, name)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		names := []string{}
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		w.Header().Set("X-Kind", "folder")
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(names)
	})
}

func wasmExecPath() (string, error) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOROOT: %w", err)
	}
	path := filepath.Join(strings.TrimSpace(string(out)), "lib", "wasm", "wasm_exec.js")
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	return path, nil
}
