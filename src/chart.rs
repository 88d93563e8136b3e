//! Helm charts: loading and rendering, without Helm and without a cluster.
