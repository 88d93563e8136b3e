//! Creations that take the place of an object which Terraform destroys in the same run.

use super::{Diagnostics, Resource, async_trait};

/// Plans a creation that replaces an existing object.
///
/// Terraform plans a replacement twice: as an update, whose answer says that it needs a replacement (or which the user has
/// forced with `-replace`), and then as a creation. The creation comes with the private state that the update planned, and
/// an ordinary one comes with none: that tells them apart. During apply, Terraform plans the creation once more, as an
/// ordinary one.
#[async_trait]
pub trait Replacement: Resource {
    /// As [`Resource::plan_create`], with the private state of what is replaced. By default it makes no difference.
    async fn plan_replacement<'a>(
        &self,
        diags: &mut Diagnostics,
        proposed: Self::State<'a>,
        config: Self::State<'a>,
        replaced: Self::PrivateState<'a>,
        meta: Self::ProviderMetaState<'a>,
    ) -> Option<(Self::State<'a>, Self::PrivateState<'a>)> {
        drop(replaced);
        self.plan_create(diags, proposed, config, meta).await
    }
}
