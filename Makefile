# What the project does from the shell. Everything else is cargo.

HOSTS ?= 1
NODES ?= 2
NODE_CPU ?= 16
NODE_MEMORY ?= 64Gi

.PHONY: rig-up rig-down

# Starts host clusters in the background and prints a line `host-N <kubeconfig path>` for each when all are usable.
rig-up:
	@cargo run --quiet --package rig -- up --detach \
		--hosts $(HOSTS) --nodes $(NODES) --node-cpu $(NODE_CPU) --node-memory $(NODE_MEMORY)

# Stops them and returns when all of it is gone.
rig-down:
	@cargo run --quiet --package rig -- down
