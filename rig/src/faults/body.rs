//! Bodies of answers that do not come as they should.

use std::{io, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};

/// The body of an answer. An error in it cuts the connection.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// Long enough for what was sent before to arrive.
const BEFORE_THE_CUT: Duration = Duration::from_millis(50);

/// Half of what comes first, and then the end of the connection.
pub(super) fn cut(body: Body) -> Body {
    let mut data = body.into_data_stream();
    let half = async move {
        let first = data.next().await.unwrap_or_else(|| Ok(Bytes::new()))?;
        Ok(first.slice(..first.len() / 2))
    };
    let end = async {
        tokio::time::sleep(BEFORE_THE_CUT).await;
        Err(io::Error::other("told to cut the connection"))
    };
    let both = stream::once(half).chain(stream::once(end));
    StreamBody::new(both.map_ok(Frame::data)).boxed_unsync()
}

/// All of it, in pieces of `piece` bytes with a `pause` after each.
pub(super) fn slow(body: Body, piece: usize, pause: Duration) -> Body {
    let pieces = body.into_data_stream().flat_map(move |data| stream::iter(split(data, piece.max(1))));
    let paced = pieces.then(move |piece| async move {
        tokio::time::sleep(pause).await;
        piece
    });
    StreamBody::new(paced.map_ok(Frame::data)).boxed_unsync()
}

fn split(data: io::Result<Bytes>, piece: usize) -> Vec<io::Result<Bytes>> {
    match data {
        Ok(data) => (0..data.len()).step_by(piece).map(|at| Ok(data.slice(at..data.len().min(at + piece)))).collect(),
        Err(error) => vec![Err(error)],
    }
}
