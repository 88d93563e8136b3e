//go:build tools

// Package opentofu pins the command that the rig builds; nothing is ever imported from here.
package opentofu

import _ "github.com/opentofu/opentofu/cmd/tofu"
