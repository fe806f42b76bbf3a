//go:build js

package main

import (
	"strings"
	"syscall/js"

	"github.com/syumai/workers"
	"github.com/syumai/workers/cloudflare"

	"github.com/holdfast-fs/holdfast/s3publish/gate"
)

func main() {
	workers.Serve(configured())
}

// configured reads the Worker's variables, secrets and bindings; README.md has their list.
func configured() *gate.Gateway {
	g := &gate.Gateway{Origins: strings.Fields(strings.ReplaceAll(variable("ALLOWED_ORIGINS"), ",", " "))}
	for _, key := range strings.Fields(variable("TOKEN_KEYS")) {
		g.Keys = append(g.Keys, []byte(key))
	}
	prefix := strings.Trim(variable("PREFIX"), "/")
	if prefix != "" {
		prefix += "/"
	}
	if bucket := cloudflare.GetBinding("BUCKET"); bucket.Type() == js.TypeObject {
		g.Bucket, g.Prefix = r2{bucket}, prefix
	}
	if endpoint := variable("S3_ENDPOINT"); endpoint != "" {
		g.S3 = &gate.S3{
			Endpoint: endpoint, Region: variable("S3_REGION"), Bucket: variable("S3_BUCKET"), Prefix: prefix,
			VirtualHosted: variable("S3_VIRTUAL_HOSTED") == "true",
			AccessKeyID:   variable("S3_ACCESS_KEY_ID"), SecretAccessKey: variable("S3_SECRET_ACCESS_KEY"), SessionToken: variable("S3_SESSION_TOKEN"),
		}
	}
	return g
}

// variable is "" where there is none.
func variable(name string) string {
	if v := cloudflare.GetBinding(name); v.Type() == js.TypeString {
		return v.String()
	}
	return ""
}
