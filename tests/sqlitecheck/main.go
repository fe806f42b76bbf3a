// Command sqlitecheck opens a database with SQLite, as a server would, and prints the rows of each statement as JSON.
//
//	go run ./sqlitecheck FILE 'PRAGMA integrity_check' 'SELECT count(*) FROM t'
package main

import (
	"encoding/json"
	"log"
	"os"

	"github.com/ncruces/go-sqlite3"
	_ "github.com/ncruces/go-sqlite3/embed"
)

func main() {
	log.SetFlags(0)
	db, err := sqlite3.Open(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	for _, sql := range os.Args[2:] {
		rows := [][]string{}
		s, _, err := db.Prepare(sql)
		if err != nil {
			log.Fatal(err)
		}
		for s.Step() {
			var row []string
			for i := range s.ColumnCount() {
				row = append(row, s.ColumnText(i))
			}
			rows = append(rows, row)
		}
		if err := s.Close(); err != nil {
			log.Fatal(err)
		}
		if err := json.NewEncoder(os.Stdout).Encode(rows); err != nil {
			log.Fatal(err)
		}
	}
}
