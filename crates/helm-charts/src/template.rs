//! Go templates: parsing as `text/template/parse` does, executing as `text/template` does.
//! Knows nothing of charts; what a template may call comes from [`functions`](super::functions).

mod arguments;
mod exec;
mod field;
mod lexer;
mod parser;
pub(super) mod quote;
mod tree;

pub(super) use arguments::without_no_value;
pub(super) use exec::{Env, Namespace, execute};
pub(super) use parser::{ParseError, parse};
pub(super) use tree::Tree;
