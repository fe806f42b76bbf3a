module github.com/holdfast-fs/holdfast

go 1.26

require (
	github.com/hack-pad/hackpadfs v0.2.4 // indirect
	github.com/klauspost/cpuid/v2 v2.2.10 // indirect
	github.com/zeebo/xxh3 v1.1.0 // indirect
	golang.org/x/sys v0.30.0 // indirect
	pgregory.net/rapid v1.2.0 // indirect
)
