//go:build tools

// Package registry pins the command that the tests build; nothing is ever imported from here.
package registry

import _ "github.com/distribution/distribution/v3/cmd/registry"
