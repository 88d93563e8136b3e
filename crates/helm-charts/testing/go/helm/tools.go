//go:build tools

// Package helm pins the command that the tests build; nothing is ever imported from here.
package helm

import _ "helm.sh/helm/v3/cmd/helm"
