//go:build js

package s3publish

// In a browser the platform compresses and encrypts (package jsstore), so that Go's code for it is not part of the module: compress/flate
// would add 29 KB to it as brotli.
var (
	defaultCodec  Codec
	defaultCipher Cipher
)
