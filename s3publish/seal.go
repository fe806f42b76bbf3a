package s3publish

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// Encryption; see LAYOUT.md, Encryption.

// Key encrypts what is published. Whoever has it can read everything and make objects that pass for genuine; without it what it
// encrypted is lost.
type Key [32]byte

// Format does not tell the key, whatever the verb.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "Key") }

const tagSize = 16 // what AES-256-GCM adds

// nonceIndex is the nonce number of a pack's index and of a snapshot's details; a frame's is its place.
const nonceIndex = 1<<64 - 1

type (
	salt  [32]byte // makes the key of one object
	keyID [16]byte // tells keys apart
)

// seal is what an encrypted object says of its encryption. The zero seal is of one that is not.
type seal struct {
	salt salt
	key  keyID
}

func (s seal) sealed() bool { return s.key != keyID{} }

func (s seal) flags() uint16 {
	if s.sealed() {
		return flagSealed
	}
	return 0
}

// overhead is how much longer a frame, an index or a snapshot's details are as stored.
func (s seal) overhead() uint32 {
	if s.sealed() {
		return tagSize
	}
	return 0
}

// decodeSeal reads salt and key id as they stand one after the other.
func decodeSeal(b []byte, flags uint16) (s seal, err error) {
	copy(s.salt[:], b)
	copy(s.key[:], b[len(s.salt):])
	if s.flags() != flags || !s.sealed() && s.salt != (salt{}) {
		return s, corrupt("flags, salt and key id do not fit together")
	}
	return s, nil
}

// coder turns content into what is stored, and back.
type coder struct {
	hasher Hasher
	codec  Codec  // nil: nothing is compressed
	cipher Cipher // nil: there is none on this platform
	key    *Key   // nil: nothing is encrypted
}

func (c *coder) mac(text string, data []byte) (out [32]byte) {
	h := hmac.New(sha256.New, c.key[:])
	h.Write([]byte("holdfast 1 " + text + "\x00"))
	h.Write(data)
	h.Sum(out[:0])
	return out
}

// keyID is zero without a key.
func (c *coder) keyID() (id keyID) {
	if c.key != nil {
		sum := c.mac("key id", nil)
		copy(id[:], sum[:])
	}
	return id
}

// newSeal makes the seal of an object with that content. Equal content gets an equal salt, so that an interrupted publish makes the
// same objects again; other content never does, so that no key and nonce serve twice.
func (c *coder) newSeal(kind string, content [32]byte) seal {
	if c.key == nil {
		return seal{}
	}
	return seal{salt: c.mac("salt of a "+kind, content[:]), key: c.keyID()}
}

// fits is ErrKey when an object with this seal cannot be read, or must not be built on, with the coder's key.
func (c *coder) fits(s seal) error {
	switch {
	case s.key == c.keyID():
		return nil
	case c.key == nil:
		return fmt.Errorf("%w: it is encrypted, and no key was given", ErrKey)
	case !s.sealed():
		return fmt.Errorf("%w: it is not encrypted, and a key was given", ErrKey)
	}
	return fmt.Errorf("%w: it is encrypted with another key", ErrKey)
}

// box seals and opens the parts of one object. A nil box leaves them as they are.
type box struct{ aead AEAD }

// box returns the box of an object with this seal.
func (c *coder) box(ctx context.Context, kind string, s seal) (*box, error) {
	if err := c.fits(s); err != nil || !s.sealed() {
		return nil, err
	}
	if c.cipher == nil {
		return nil, fmt.Errorf("%w: there is no AES-GCM here", ErrUnsupported)
	}
	aead, err := c.cipher.WithKey(ctx, c.mac("key of a "+kind, s.salt[:]))
	return &box{aead}, err
}

func nonce(n uint64) (b [12]byte) {
	binary.LittleEndian.PutUint64(b[:], n)
	return b
}

func (b *box) seal(ctx context.Context, n uint64, plain, additional []byte) ([]byte, error) {
	if b == nil {
		return plain, nil
	}
	return b.aead.Seal(ctx, nonce(n), plain, additional)
}

func (b *box) open(ctx context.Context, n uint64, stored, additional []byte) ([]byte, error) {
	if b == nil {
		return stored, nil
	}
	return b.aead.Open(ctx, nonce(n), stored, additional)
}
