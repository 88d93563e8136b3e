//go:build tools

// Package etcd pins the command that the rig builds; nothing is ever imported from here.
package etcd

import _ "go.etcd.io/etcd/server/v3"
