package gate_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/holdfast-fs/holdfast/s3publish/gate"
)

var (
	key1 = []byte("first key, of at least 32 bytes!!")
	key2 = []byte("second key, of at least 32 bytes!")
	now  = time.Unix(1_800_000_000, 0)
	hour = now.Add(time.Hour)
)

func mint(t *testing.T, g gate.Grant) string {
	t.Helper()
	token, err := gate.Mint(key1, g)
	require.NoError(t, err)
	return token
}

// forge signs any header and claims with key1.
func forge(header, claims string) string {
	e := base64.RawURLEncoding
	signed := e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(claims))
	m := hmac.New(sha256.New, key1)
	m.Write([]byte(signed))
	return signed + "." + e.EncodeToString(m.Sum(nil))
}

func TestATokenSaysWhatItWasMintedWith(t *testing.T) {
	for _, rights := range []gate.Rights{gate.Read, gate.Write, gate.Prune} {
		g := gate.Grant{Volume: "my-site", Rights: rights, Expires: hour}
		for _, keys := range [][][]byte{{key1}, {key2, key1}} {
			got, err := gate.Verify(keys, mint(t, g), now)
			require.NoError(t, err)
			require.Equal(t, g, got)
		}
	}
	for _, g := range []gate.Grant{
		{Volume: "", Rights: gate.Read, Expires: hour}, {Volume: "a/b", Rights: gate.Read, Expires: hour}, {Volume: "..", Rights: gate.Read, Expires: hour},
		{Volume: "a", Rights: "all", Expires: hour}, {Volume: "a", Rights: gate.Read},
	} {
		_, err := gate.Mint(key1, g)
		require.Error(t, err, g)
	}
	_, err := gate.Mint(key1[:31], gate.Grant{Volume: "a", Rights: gate.Read, Expires: hour})
	require.ErrorContains(t, err, "31 bytes")
}

func TestATokenEndsWithItsTime(t *testing.T) {
	token := mint(t, gate.Grant{Volume: "v", Rights: gate.Read, Expires: hour})
	_, err := gate.Verify([][]byte{key1}, token, hour.Add(-time.Millisecond))
	require.NoError(t, err)
	_, err = gate.Verify([][]byte{key1}, token, hour)
	require.ErrorIs(t, err, gate.ErrExpired)
}

func TestAnAlteredTokenIsRefused(t *testing.T) {
	token := mint(t, gate.Grant{Volume: "v", Rights: gate.Read, Expires: hour})
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.= \n"
	tried := 0
	for i := range token {
		for _, c := range alphabet {
			altered := token[:i] + string(c) + token[i+1:]
			if altered == token {
				continue
			}
			tried++
			_, err := gate.Verify([][]byte{key1, key2}, altered, now)
			require.ErrorIs(t, err, gate.ErrToken, altered)
		}
		_, err := gate.Verify([][]byte{key1}, token[:i], now)
		require.ErrorIs(t, err, gate.ErrToken)
	}
	t.Logf("%d altered tokens", tried)
	for _, wrong := range []string{"", "..", token + ".", token + "x", "x" + token, strings.Repeat("a", 1<<20)} {
		_, err := gate.Verify([][]byte{key1}, wrong, now)
		require.ErrorIs(t, err, gate.ErrToken)
	}
	for _, keys := range [][][]byte{nil, {key2}, {nil}, {key1[:31]}} {
		_, err := gate.Verify(keys, token, now)
		require.ErrorIs(t, err, gate.ErrToken)
	}
}

func TestAKeyThatIsTooShortOpensNothing(t *testing.T) {
	e := base64.RawURLEncoding
	signed := e.EncodeToString([]byte(`{"alg":"HS256"}`)) + "." + e.EncodeToString([]byte(`{"volume":"v","rights":"read","exp":1900000000}`))
	for _, key := range [][]byte{{}, []byte("short")} {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(signed))
		_, err := gate.Verify([][]byte{key}, signed+"."+e.EncodeToString(m.Sum(nil)), now)
		require.ErrorIs(t, err, gate.ErrToken)
	}
}

func TestATokenOfALibraryIsReadAndOneForSomethingElseIsNot(t *testing.T) {
	const header, claims = `{"alg":"HS256","typ":"JWT"}`, `{"volume":"v","rights":"write","exp":1900000000}`
	for _, good := range []string{
		forge(header, claims),
		forge(`{"typ":"JWT","alg":"HS256","kid":"1"}`, `{"iss":"app","iat":1700000000,"exp":1900000000.5,"nbf":1700000000,"volume":"v","rights":"write"}`),
	} {
		g, err := gate.Verify([][]byte{key1}, good, now)
		require.NoError(t, err)
		require.Equal(t, gate.Grant{Volume: "v", Rights: gate.Write, Expires: time.Unix(1900000000, 0)}, g)
	}
	for _, bad := range []string{
		forge(`{"alg":"none"}`, claims), forge(`{"alg":"HS512"}`, claims), forge(`{"alg":"hs256"}`, claims), forge(`{}`, claims), forge(`[]`, claims), forge(``, claims),
		forge(`{"alg":"HS256","crit":["x"]}`, claims),
		forge(header, `{}`), forge(header, `null`), forge(header, ``), forge(header, `{"volume":"v","rights":"write"}`),
		forge(header, `{"volume":"v","rights":"write","exp":"1900000000"}`), forge(header, `{"volume":"v","rights":"write","exp":-1}`), forge(header, `{"volume":"v","rights":"write","exp":1e300}`),
		forge(header, `{"volume":"v","rights":"","exp":1900000000}`), forge(header, `{"volume":"","rights":"read","exp":1900000000}`), forge(header, `{"volume":"../w","rights":"read","exp":1900000000}`),
		forge(header, `{"volume":["v"],"rights":"read","exp":1900000000}`),
		forge(header, `{"volume":"v","rights":"write","exp":1900000000,"nbf":1800000001}`),
	} {
		_, err := gate.Verify([][]byte{key1}, bad, now)
		require.ErrorIs(t, err, gate.ErrToken, bad)
	}
}
