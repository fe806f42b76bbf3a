package s3publish

import "context"

// Codec compresses frames with raw DEFLATE (RFC 1951). In a browser that is CompressionStream, which is asynchronous: so a call may
// block. Calls come from several goroutines.
type Codec interface {
	// Compress returns the frame compressed. It need not be the same for every implementation. It does not keep b.
	Compress(ctx context.Context, b []byte) ([]byte, error)

	// Decompress returns exactly size bytes, or ErrCorrupt where b does not stand for just so many. It makes room for no more than that
	// and does not keep b.
	Decompress(ctx context.Context, b []byte, size int) ([]byte, error)
}

// Cipher is AES-256-GCM. In a browser that is WebCrypto, which is asynchronous: so a call may block. Calls come from several
// goroutines.
type Cipher interface {
	// WithKey prepares to seal and to open under a key.
	WithKey(ctx context.Context, key [32]byte) (AEAD, error)
}

// AEAD is a Cipher with a key. The tag of 16 bytes comes after the ciphertext.
type AEAD interface {
	Seal(ctx context.Context, nonce [12]byte, plain, additional []byte) ([]byte, error)

	// Open is ErrCorrupt when the bytes were not sealed with this key, nonce and additional data.
	Open(ctx context.Context, nonce [12]byte, sealed, additional []byte) ([]byte, error)
}
