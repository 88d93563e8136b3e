//! Real Kubernetes control planes from binaries, without Docker and without root.
