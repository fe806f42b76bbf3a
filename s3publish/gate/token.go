package gate

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Rights say what may be done with a volume. Each includes those before it.
type Rights string

// The rights of a token.
const (
	Read  Rights = "read"  // get and list: pull
	Write Rights = "write" // put: publish
	Prune Rights = "prune" // delete what is no head of the volume itself
)

func (r Rights) level() int {
	switch r {
	case Read:
		return 1
	case Write:
		return 2
	case Prune:
		return 3
	}
	return 0
}

// Grant is what a token says.
type Grant struct {
	Volume  string
	Rights  Rights
	Expires time.Time
}

// MinKey is the least length of a token key in bytes: that of the hash (RFC 7518, section 3.2).
const MinKey = 32

const maxToken = 2048

var (
	// ErrToken: the token is missing, altered, made with another key, or not of the form that GATEWAY.md describes.
	ErrToken = errors.New("the token is not valid")
	// ErrExpired: the token was good once.
	ErrExpired = errors.New("the token has expired")
)

const tokenHeader = `{"alg":"HS256","typ":"JWT"}`

var base64URL = base64.RawURLEncoding.Strict()

// Mint makes a token: a JSON Web Token (RFC 7519) signed with HMAC-SHA256. Expires is rounded down to a second.
func Mint(key []byte, g Grant) (string, error) {
	switch {
	case len(key) < MinKey:
		return "", fmt.Errorf("the token key has %d bytes, at least %d are needed", len(key), MinKey)
	case !validVolume(g.Volume):
		return "", fmt.Errorf("%q cannot be the name of a volume", g.Volume)
	case g.Rights.level() == 0:
		return "", fmt.Errorf("%q is not one of read, write and prune", g.Rights)
	case g.Expires.Unix() <= 0:
		return "", errors.New("a token has a time at which it expires")
	}
	claims, err := json.Marshal(map[string]any{"volume": g.Volume, "rights": g.Rights, "exp": g.Expires.Unix()})
	if err != nil {
		return "", err
	}
	signed := base64URL.EncodeToString([]byte(tokenHeader)) + "." + base64URL.EncodeToString(claims)
	return signed + "." + base64URL.EncodeToString(sign256(key, signed)), nil
}

// Verify reads a token that was signed with one of the keys: there are two while one is being replaced. It fails with ErrToken
// or ErrExpired. Keys that are too short count as wrong.
func Verify(keys [][]byte, token string, now time.Time) (Grant, error) {
	if len(token) > maxToken {
		return Grant{}, ErrToken
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return Grant{}, ErrToken
	}
	sum, err := base64URL.DecodeString(parts[2])
	if err != nil {
		return Grant{}, ErrToken
	}
	known := false
	for _, key := range keys {
		known = len(key) >= MinKey && hmac.Equal(sum, sign256(key, parts[0]+"."+parts[1])) || known
	}
	if !known {
		return Grant{}, ErrToken
	}
	// From here on the token is what a holder of the key has written. It may still be meant for something else.
	var header struct {
		Alg  string `json:"alg"`
		Crit any    `json:"crit"`
	}
	var claims struct {
		Volume string   `json:"volume"`
		Rights Rights   `json:"rights"`
		Exp    *float64 `json:"exp"`
		Nbf    *float64 `json:"nbf"`
	}
	if decodePart(parts[0], &header) != nil || header.Alg != "HS256" || header.Crit != nil || decodePart(parts[1], &claims) != nil {
		return Grant{}, ErrToken
	}
	if !validVolume(claims.Volume) || claims.Rights.level() == 0 || claims.Exp == nil || *claims.Exp < 0 || *claims.Exp > math.MaxInt32*1000 {
		return Grant{}, ErrToken
	}
	seconds := float64(now.UnixMilli()) / 1000
	if seconds >= *claims.Exp {
		return Grant{}, ErrExpired
	}
	if claims.Nbf != nil && seconds < *claims.Nbf {
		return Grant{}, ErrToken
	}
	return Grant{Volume: claims.Volume, Rights: claims.Rights, Expires: time.Unix(int64(*claims.Exp), 0)}, nil
}

func decodePart(part string, v any) error {
	b, err := base64URL.DecodeString(part)
	if err != nil {
		return err
	}
	return json.NewDecoder(bytes.NewReader(b)).Decode(v)
}

func sign256(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
