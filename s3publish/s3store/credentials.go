package s3store

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// provider makes the SDK's form of credentials, and remembers the secrets so that no error text shows them.
type provider struct {
	get func(context.Context) (Credentials, error)

	mu      sync.Mutex
	secrets []string
}

var _ aws.CredentialsProvider = (*provider)(nil)

var (
	errProvider = errors.New("the credentials function failed")
	errNoSecret = errors.New("no access key or no secret was given")
)

// Retrieve implements aws.CredentialsProvider.
func (p *provider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := p.get(ctx)
	if err != nil {
		// Its text is the caller's and may hold anything: it goes nowhere.
		return aws.Credentials{}, errProvider
	}
	if c.AccessKeyID == "" || c.SecretAccessKey == "" {
		return aws.Credentials{}, errNoSecret
	}
	p.mu.Lock()
	p.secrets = []string{c.SecretAccessKey, c.SessionToken, c.AccessKeyID}
	p.mu.Unlock()
	return aws.Credentials{
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
		CanExpire: !c.Expires.IsZero(), Expires: c.Expires, Source: "holdfast",
	}, nil
}

// clean takes credentials out of a text that came from elsewhere.
func (p *provider) clean(s string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, secret := range p.secrets {
		if secret != "" {
			s = strings.ReplaceAll(s, secret, "***")
		}
	}
	return s
}
