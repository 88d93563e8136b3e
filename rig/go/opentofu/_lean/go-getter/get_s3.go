package getter

import (
	"errors"
	"net/url"
)

var errNoS3 = errors.New("this OpenTofu is built without S3")

// S3Getter refuses: what it would need is half of what OpenTofu compiles.
type S3Getter struct {
	getter
}

// ClientMode refuses.
func (g *S3Getter) ClientMode(*url.URL) (ClientMode, error) { return 0, errNoS3 }

// Get refuses.
func (g *S3Getter) Get(string, *url.URL) error { return errNoS3 }

// GetFile refuses.
func (g *S3Getter) GetFile(string, *url.URL) error { return errNoS3 }
