package opfs_test

import (
	"fmt"
	"log"

	"github.com/holdfast-fs/holdfast/opfs"
)

// must ends the example on an error.
func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A volume keeps a filesystem in one file. What Commit acknowledged is there when the file is opened again, whatever happened in
// between; what was not committed is gone, all of it.
func Example() {
	file := opfs.NewMemFile() // or OpenOSFile(path)
	volume, err := opfs.Open(file, opfs.Options{})
	must(err)
	must(volume.FS().WriteFile("a", []byte("committed"), 0o644))
	must(volume.FS().WriteFile("b", []byte("committed too"), 0o644))
	_, err = volume.Commit("first version")
	must(err)
	must(volume.FS().WriteFile("a", []byte("not committed"), 0o644))
	// Here the program crashes.

	again, err := opfs.Open(file, opfs.Options{})
	must(err)
	a, err := again.FS().ReadFile("a")
	must(err)
	fmt.Println(string(a))
	must(again.Close())
	// Output: committed
}

// Every commit is a point that can be read, or returned to.
func ExampleStore_Restore() {
	volume, err := opfs.Open(opfs.NewMemFile(), opfs.Options{})
	must(err)
	for _, text := range []string{"one", "two", "three"} {
		must(volume.FS().WriteFile("file", []byte(text), 0o644))
		_, err := volume.Commit("wrote " + text)
		must(err)
	}

	points, err := volume.Points() // the newest first
	must(err)
	for _, p := range points {
		then, err := volume.Load(p.ID)
		must(err)
		b, err := then.ReadFile("file")
		if err == nil {
			fmt.Println(p.Label, "->", string(b))
		}
		then.Release()
	}

	must(volume.Restore(points[2].ID))
	b, err := volume.FS().ReadFile("file")
	must(err)
	fmt.Println("restored:", string(b))
	_, err = volume.Commit("back to one")
	must(err)
	must(volume.Close())
	// Output:
	// wrote three -> three
	// wrote two -> two
	// wrote one -> one
	// restored: one
}
