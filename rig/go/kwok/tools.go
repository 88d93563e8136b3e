//go:build tools

// Package kwok pins the command that the rig builds; nothing is ever imported from here.
package kwok

import _ "sigs.k8s.io/kwok/cmd/kwok"
