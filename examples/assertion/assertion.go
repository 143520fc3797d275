// Package assertion reads the gate's assertion, signed with Ed25519. Go's own library is enough.
package assertion

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// Claims are what the gate says about the client.
type Claims struct {
	Issuer   string `json:"iss"`
	Audience string `json:"aud"`
	Subject  string `json:"sub"`
	Scope    string `json:"scope"`
	Expires  int64  `json:"exp"`
}

// Read returns the claims of an assertion. The keys are those of /_portcullis/jwks.json by kid:
// the member x of each, decoded as base64url.
func Read(assertion string, keys map[string]ed25519.PublicKey, audience string) (*Claims, error) {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		return nil, errors.New("not a JWT")
	}
	var header struct{ Alg, Kid string }
	if err := decode(parts[0], &header); err != nil {
		return nil, err
	}
	key, known := keys[header.Kid]
	if header.Alg != "EdDSA" || !known {
		return nil, errors.New("another algorithm or key")
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !ed25519.Verify(key, []byte(parts[0]+"."+parts[1]), signature) {
		return nil, errors.New("forged")
	}
	var claims Claims
	if err := decode(parts[1], &claims); err != nil {
		return nil, err
	}
	if claims.Issuer != "portcullis" || claims.Audience != audience {
		return nil, errors.New("meant for another")
	}
	if claims.Expires <= time.Now().Unix() {
		return nil, errors.New("expired")
	}
	return &claims, nil
}

func decode(part string, into any) error {
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
