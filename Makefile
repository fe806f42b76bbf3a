# Holdfast: build, test and show. Needs Go, Node 20 or newer, and make;
# the tests install Chromium from apt where there is none.
#
#   make build          the WebAssembly modules and the npm package's dist
#   make demo           build everything and start the demo on 127.0.0.1
#   make test           every test; the parts are test-go, test-wasm-node,
#                       test-chromium, test-node, test-e2e, test-package and test-web
#   make bench          Holdfast beside what its users would pick instead, as ratios; ONLY=id for one row
#   make crash N=…      power fails N times, at every operation, under files and under SQLite
#   make lint           gofmt, vet, staticcheck, tsc
#   make clean          remove everything that was built

SHELL := /bin/bash
.DELETE_ON_ERROR:
.SUFFIXES:

ROOT := $(CURDIR)
WASM := GOOS=js GOARCH=wasm
# Packages whose unit tests run under Node and in Chromium too.
WASM_TESTED := ./memfs/... ./opfs/... ./s3publish/...
CHROMIUM_TESTED := ./memfs/... ./opfs/...

GO_FILES := $(shell find memfs opfs s3publish wasm -name '*.go' -not -name '*_test.go' 2>/dev/null) go.mod go.sum
NPM_FOLDERS := $(patsubst %/package-lock.json,%,$(wildcard js/package-lock.json js/vendor/package-lock.json web/package-lock.json tests/e2e/package-lock.json tests/bench/package-lock.json tests/package/package-lock.json))

.PHONY: all build test test-go test-wasm-node test-chromium test-node test-e2e test-package test-web bench bench-quick lint lint-go lint-js lint-locks crash demo deps clean
all: build

# ---- what is built ----

# js/build.mjs knows how each part of dist is made; make knows when.
build: js/dist/core.wasm js/dist/remote.wasm js/dist/s3.wasm js/dist/go.js js/dist/comlink.js js/dist/hashes/sha2.js build/gateway/gateway.wasm

js/dist/core.wasm js/dist/remote.wasm js/dist/s3.wasm: js/dist/%: js/build.mjs $(GO_FILES)
	node js/build.mjs $*

# The Worker, with what it is deployed with beside it.
build/gateway/gateway.wasm: wasm/gateway/build.mjs wasm/gateway/worker.mjs $(GO_FILES)
	node wasm/gateway/build.mjs

# Go's own loader belongs to the Go version in use.
js/dist/go.js: js/build.mjs $(shell go env GOROOT)/lib/wasm/wasm_exec.js
	node js/build.mjs go.js

# Comlink and SHA-256 are shipped with the package; a folder of their own, so that a build needs nothing else from npm.
js/dist/comlink.js js/dist/hashes/sha2.js: js/dist/%: js/build.mjs js/vendor/node_modules/.stamp
	node js/build.mjs $*

# The programs that only tests need come from the nested module tests/. The S3
# server takes minutes to build the first time, so it is kept.
build/versitygw: tests/go.mod tests/go.sum
	cd tests && go build -o $(ROOT)/$@ github.com/versity/versitygw/cmd/versitygw

build/staticcheck: tests/go.mod tests/go.sum
	cd tests && go build -o $(ROOT)/$@ honnef.co/go/tools/cmd/staticcheck

build/browserexec: $(wildcard tests/browserexec/*)
	cd tests && go build -o $(ROOT)/$@ ./browserexec

# npm packages, reinstalled only when the lock changes.
%/node_modules/.stamp: %/package-lock.json
	cd $* && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# ---- tests ----

test: test-go test-wasm-node test-chromium test-node test-e2e test-package test-web

# With the S3 server at hand, the tests of the S3 client run too.
test-go: build/versitygw
	HOLDFAST_TEST_S3=$(ROOT)/build/versitygw go test ./...
	cd tests && go test -count=1 ./...

# -count=1: what the programs run in (Node, Chromium) is not part of Go's cache key.
test-wasm-node:
	$(WASM) go test -count=1 -exec "node $(ROOT)/tests/nodeexec/nodeexec.mjs" $(WASM_TESTED) ./wasm/...

# Examples need a file for what they print, which a browser has not.
test-chromium: deps build/browserexec
	$(WASM) go test -count=1 -run '^(Test|Fuzz)' -exec "$(ROOT)/build/browserexec" $(CHROMIUM_TESTED)

test-node: build js/node_modules/.stamp
	node --test $(sort $(wildcard js/test/*.test.mjs tests/node/*.test.mjs))

# One file at a time: each drives a Chromium of its own.
test-e2e: deps build build/versitygw js/node_modules/.stamp tests/e2e/node_modules/.stamp
	node --test --test-concurrency=1 $(sort $(wildcard tests/e2e/*.test.mjs))

# The package as npm packs it, in bundlers, test runners and plain pages.
test-package: deps build js/node_modules/.stamp tests/e2e/node_modules/.stamp tests/package/node_modules/.stamp
	node --test tests/package/package.test.mjs

test-web: deps build build/versitygw $(NPM_FOLDERS:=/node_modules/.stamp)
	node --test --test-concurrency=1 $(sort $(wildcard web/test/*.test.mjs))

# Not part of test, which does a little of the same.
crash: N ?= 1000000
crash:
	HOLDFAST_CRASH_STATES=$(N) go test -count=1 -timeout 0 -v -run 'TestPowerFailsAtEveryOperation' ./opfs
	cd tests && HOLDFAST_CRASH_TRANSACTIONS=$$(( $(N) / 80 )) go test -count=1 -timeout 0 -v ./sqlitecrash

# ---- benchmarks ----

# The demo's WordPress is what they run. See tests/bench/README.md.
BENCH := build build/versitygw tests/e2e/node_modules/.stamp tests/bench/node_modules/.stamp web/node_modules/.stamp
bench: deps $(BENCH)
	node tests/bench/bench.mjs $(ONLY)

# Whether they still run: tiny sizes, and no judgement of times.
bench-quick: deps $(BENCH)
	HOLDFAST_BENCH=quick node tests/bench/bench.mjs $(ONLY)

# ---- checks ----

lint: lint-go lint-js lint-locks

lint-go: build/staticcheck
	@unformatted=$$(gofmt -l $(wildcard memfs opfs s3publish wasm web tests/browserexec tests/policy tests/sqlitecheck)); \
	if [ -n "$$unformatted" ]; then echo "gofmt these files:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	$(WASM) go vet ./...
	$(WASM) go vet -tags holdfastcore ./wasm/core
	cd tests && go vet ./...
	build/staticcheck ./...
	$(WASM) build/staticcheck $(WASM_TESTED)
	$(WASM) build/staticcheck -checks=inherit,-U1000 ./wasm/... # it takes //go:wasmexport functions for unused
	$(WASM) build/staticcheck -checks=inherit,-U1000 -tests=false -tags holdfastcore ./memfs ./opfs ./wasm/core
	cd tests && ../build/staticcheck ./...

lint-js: js/node_modules/.stamp js/dist/go.js js/dist/comlink.js js/dist/hashes/sha2.js
	cd js && npm run --silent check && npm run --silent types && node reference.mjs --check

# A lock file names versions and hashes, not where they came from.
lint-locks:
	@if grep -l '"resolved": "http' $(NPM_FOLDERS:=/package-lock.json); then \
	echo "these lock files name a registry: set omit-lockfile-registry-resolved=true in .npmrc and lock again"; exit 1; fi

# ---- the rest ----

demo: build build/versitygw web/node_modules/.stamp tests/e2e/node_modules/.stamp
	cd web && npm run --silent demo

deps:
	@if [ -z "$$CHROMIUM" ] && ! command -v chromium chromium-browser google-chrome >/dev/null; then \
	sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	$$sudo apt-get update -q && $$sudo apt-get install -y -q --no-install-recommends chromium; fi

clean:
	rm -rf build js/dist js/types web/dist $(NPM_FOLDERS:=/node_modules)
