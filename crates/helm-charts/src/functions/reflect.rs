//! Types and kinds of values.

use super::super::compare::deep_equal;
use super::super::value::Value;
use super::{Row, text};

pub(super) const TABLE: &[Row] = &[
    ("typeOf", "a", |_, args| Ok(type_of(&args[0]).into())),
    ("typeIs", "sa", |_, args| Ok((text(&args[0])? == type_of(&args[1])).into())),
    ("typeIsLike", "sa", |_, args| {
        let (target, actual) = (text(&args[0])?, type_of(&args[1]));
        Ok((target == actual || actual.strip_prefix('*') == Some(target)).into())
    }),
    ("kindOf", "a", |_, args| Ok(args[0].kind().name().into())),
    ("kindIs", "sa", |_, args| Ok((text(&args[0])? == args[1].kind().name()).into())),
    ("deepEqual", "aa", |context, args| Ok(deep_equal(&args[0], &args[1], &context.budget)?.into())),
];

fn type_of(value: &Value) -> String {
    value.type_name()
}
