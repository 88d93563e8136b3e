//! The calls about functions.

use async_trait::async_trait;
use bytes::{BufMut, Bytes, BytesMut};
use serde_path_to_error::Segment;

use super::answer::Answer;
use super::codec::{encode, message_pack_reader};
use super::diagnostics::{diagnostics, expect_result};
use super::wire::tf6::DynamicValue;
use super::wire::tf6::call_function::{Request, Response};
use crate::vocabulary::schema::FunctionSchema;
use crate::vocabulary::{AttributePath, Diagnostics, Function, Report};

/// A function, whatever the types of its arguments and result.
#[async_trait]
pub trait ServedFunction: Send + Sync {
    fn schema(&self, diags: &mut Diagnostics) -> Option<FunctionSchema>;
    async fn call(&self, request: Request) -> Response;
}

#[async_trait]
impl<F: Function> ServedFunction for F {
    fn schema(&self, diags: &mut Diagnostics) -> Option<FunctionSchema> {
        Function::schema(self, diags)
    }

    async fn call(&self, request: Request) -> Response {
        let mut diags = Diagnostics::default();
        let arguments = as_list(request.arguments);
        let result = async {
            let arguments = decode(&arguments, &mut diags)?;
            let result = Function::call(self, &mut diags, arguments).await?;
            encode(&mut diags, &result)
        }
        .await;
        if result.is_none() {
            expect_result(&mut diags);
        }
        let mut response = Response { result, error: None };
        response.add(diagnostics(diags));
        response
    }
}

/// The arguments as one MessagePack array, which decodes into a tuple, a struct or a `Vec`.
fn as_list(arguments: Vec<DynamicValue>) -> Bytes {
    /// An array with a 32-bit length, the one form that fits any number of elements.
    const ARRAY_32: u8 = 0xdd;
    let mut list = BytesMut::new();
    list.put_u8(ARRAY_32);
    list.put_u32(u32::try_from(arguments.len()).unwrap_or(u32::MAX));
    for argument in arguments {
        list.put(argument.msgpack);
    }
    list.freeze()
}

fn decode<'a, T: serde::Deserialize<'a>>(list: &'a [u8], diags: &mut Diagnostics) -> Option<T> {
    let error = match serde_path_to_error::deserialize(&mut message_pack_reader(list)) {
        Ok(arguments) => return Some(arguments),
        Err(error) => error,
    };
    let argument = match error.path().iter().next() {
        Some(Segment::Seq { index }) => i64::try_from(*index).map(AttributePath::function_argument).ok(),
        _ => None,
    };
    diags.fail(argument.unwrap_or_default(), "This argument does not have the type that the function expects.", "");
    None
}
