//! Kubernetes host clusters: connections, apply, records, waiting, access.
