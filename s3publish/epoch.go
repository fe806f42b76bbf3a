package s3publish

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"time"
)

// Epochs; see LAYOUT.md, Deleting, for what they are for.
const (
	epochLength = 6 * time.Hour

	// publishLimit is how long a publish may take from its first request to its last.
	publishLimit = 12 * time.Hour

	randomEpoch = 1 << 31 // set in epochs that are no time
)

// storeTime follows the store's clock. The zero value does not know it.
type storeTime struct {
	at   time.Time // ours, when the store told
	tell time.Time
}

// learn takes note of an answer.
func (c *storeTime) learn(o Object, err error) {
	date := o.Date
	var e *Error
	if errors.As(err, &e) {
		date = e.Date
	}
	if !date.IsZero() {
		*c = storeTime{time.Now(), date}
	}
}

// epoch is the number of the present period of six hours by the store's clock. Where that is not known, or our own clock was set or has
// slept since, it is random: then no two packs have one name.
func (c *storeTime) epoch() uint32 {
	now := time.Now()
	if wall := wallSince(c.at, now); !c.tell.IsZero() && wall-now.Sub(c.at) < time.Minute && now.Sub(c.at)-wall < time.Minute {
		return uint32(c.tell.Add(wall).Unix()/int64(epochLength/time.Second)) &^ randomEpoch
	}
	var b [4]byte
	rand.Read(b[:])
	return binary.LittleEndian.Uint32(b[:]) | randomEpoch
}

// wallSince is what the clock on the wall says; Time.Sub does not count while the machine sleeps.
func wallSince(then, now time.Time) time.Duration { return now.Round(0).Sub(then.Round(0)) }
