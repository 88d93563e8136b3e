package getter

import (
	"errors"
	"net/url"
)

var errNoGCS = errors.New("this OpenTofu is built without GCS")

// GCSGetter refuses: what it would need is half of what OpenTofu compiles.
type GCSGetter struct {
	getter
}

// ClientMode refuses.
func (g *GCSGetter) ClientMode(*url.URL) (ClientMode, error) { return 0, errNoGCS }

// Get refuses.
func (g *GCSGetter) Get(string, *url.URL) error { return errNoGCS }

// GetFile refuses.
func (g *GCSGetter) GetFile(string, *url.URL) error { return errNoGCS }
