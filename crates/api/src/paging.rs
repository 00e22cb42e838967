//! Lists whose answer stays within what common clients accept.
//!
//! A page is counted in items, a message in bytes. Where the wanted items make too large a message, fewer are answered:
//! the token says where the next page begins, so nothing is lost.

use std::future::Future;

use gofer_contract::Problem;
use gofer_engine::{EngineError, Listing, Page};
use prost::Message;
use tonic::Status;

/// The size that the answer of a list may have, below the 4 MiB that clients accept by default.
const ANSWER: usize = 3 << 20;
/// The number of items where the caller names none, and the greatest one.
const SIZES: (usize, usize) = (30, 1_000);

/// How many items are wanted.
pub(crate) fn wanted(size: usize) -> usize {
    let (usual, most) = SIZES;
    if size == 0 { usual } else { size.min(most) }
}

/// Asks for a page, and for a smaller one while the answer is too large.
pub(crate) async fn fitting<T, R, F, Fut>(
    page: Page,
    fetch: F,
    build: impl Fn(Listing<T>) -> R,
) -> Result<R, Status>
where
    R: Message,
    F: Fn(Page) -> Fut,
    Fut: Future<Output = Result<Listing<T>, EngineError>>,
{
    let mut size = wanted(page.size);
    loop {
        let listing = fetch(Page { size, token: page.token.clone() }).await.map_err(Problem::from)?;
        let answer = build(listing);
        if answer.encoded_len() <= ANSWER || size == 1 {
            return Ok(answer);
        }
        size /= 2;
    }
}

#[cfg(test)]
mod tests {
    use gofer_proto::v1::{ListRunsResponse, Run};

    use super::*;

    async fn sizes(item_bytes: usize, wanted: usize) -> usize {
        let fetch = |page: Page| async move { Ok(Listing { items: vec![(); page.size], next: None }) };
        let build = |listing: Listing<()>| ListRunsResponse {
            runs: listing
                .items
                .iter()
                .map(|()| Run { trigger: "x".repeat(item_bytes), ..Run::default() })
                .collect(),
            next_page_token: String::new(),
        };
        fitting(Page { size: wanted, token: None }, fetch, build).await.unwrap().runs.len()
    }

    #[tokio::test]
    async fn a_page_has_thirty_items_unless_said_otherwise_and_never_more_than_a_thousand() {
        assert_eq!(sizes(1, 0).await, 30);
        assert_eq!(sizes(1, 5_000).await, 1_000);
    }

    #[tokio::test]
    async fn a_page_of_large_items_is_shorter() {
        assert_eq!(sizes(100 << 10, 1_000).await, 15);
        assert_eq!(sizes(5 << 20, 100).await, 1);
    }
}
