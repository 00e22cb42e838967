//! An object on its way out: its header, then its bytes in chunks that every client takes.

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use gofer_contract::convert;
use gofer_engine::EngineError;
use gofer_engine::objects::{Content, ObjectsError};
use gofer_proto::v1::get_object_response::Part;
use gofer_types::ObjectScope;

/// How many bytes a chunk has at most. About so much is held in memory for a reader that does not read.
const CHUNK: usize = 256 << 10;

/// The parts of the answer. The next bytes are read when the last ones were taken.
pub(super) fn parts(
    scope: &ObjectScope,
    content: Content,
) -> impl Stream<Item = Result<Part, EngineError>> + Send + 'static {
    let header = Part::Header(convert::object(scope, &content.meta));
    let broken = |error| EngineError::from(ObjectsError::Store(error));
    let chunks = content.bytes.map_err(broken).map_ok(|bytes| stream::iter(pieces(bytes).map(Ok)));
    stream::iter([Ok(header)]).chain(chunks.try_flatten().map_ok(Part::Chunk))
}

/// The same bytes, none of them copied, in pieces that are not too large.
fn pieces(mut bytes: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let piece = bytes.split_to(bytes.len().min(CHUNK));
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pieces_are_cut_and_empty_ones_are_left_out() {
        let sizes =
            |bytes: usize| pieces(Bytes::from(vec![7; bytes])).map(|piece| piece.len()).collect::<Vec<_>>();
        assert_eq!(sizes(0), [0; 0]);
        assert_eq!(sizes(CHUNK), [CHUNK]);
        assert_eq!(sizes(2 * CHUNK + 1), [CHUNK, CHUNK, 1]);
    }
}
