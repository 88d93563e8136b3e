//! Attributes that Terraform hands to the provider and keeps nowhere: in no plan and in no state.

/// Names a resource's write-only attributes. They are in its configuration only; it plans and returns them as null, and
/// refuses a value where [`write_only_allowed`](super::write_only_allowed) says no.
pub trait WriteOnly: Send + Sync {
    /// The path of each, from the resource's block down through single nested attributes. None by default.
    fn write_only(&self) -> &'static [&'static [&'static str]] {
        &[]
    }
}
