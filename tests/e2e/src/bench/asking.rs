//! The same question many times, and how long the answers took.

use std::time::Duration;

use gofer_client::Client;
use gofer_proto::v1::{ListRunsRequest, ListRunsResponse, Page};

use crate::measure::{millis, now, percentile};
use crate::table::Row;

/// What a look at the history may take.
const LOOK: f64 = 50.0;

/// Numbers without an order that are the same each time.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        Self(0x9E37_79B9_7F4A_7C15)
    }

    /// A number below this.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap_or_default()
    }
}

/// Asks so often, one after the other.
pub(crate) async fn asked(times: usize, mut ask: impl AsyncFnMut()) -> Vec<Duration> {
    let mut spans = Vec::with_capacity(times);
    for _ in 0..times {
        let begin = now();
        ask().await;
        spans.push(now() - begin);
    }
    spans
}

/// The two rows of one question.
pub(crate) fn rows(name: &str, mut spans: Vec<Duration>) -> Vec<Row> {
    let (half, most) = (percentile(&mut spans, 0.5), percentile(&mut spans, 0.99));
    vec![
        Row::plain(format!("{name}, p50"), millis(half), "ms"),
        Row::at_most(format!("{name}, p99"), millis(most), "ms", LOOK),
    ]
}

/// A page of a list.
pub(crate) async fn page(
    client: &Client,
    request: &ListRunsRequest,
    (size, token): (u32, &str),
) -> ListRunsResponse {
    let request = ListRunsRequest { page: Some(Page { size, token: token.to_owned() }), ..request.clone() };
    client.list_runs(request).await.expect("the runs are listed")
}

/// Goes through a whole list in the largest pages: what each took, and the tokens of all but the first.
pub(crate) async fn walk(client: &Client, request: &ListRunsRequest) -> (Vec<Duration>, Vec<String>, usize) {
    let (mut spans, mut tokens, mut items) = (Vec::new(), Vec::new(), 0);
    let mut token = String::new();
    loop {
        let begin = now();
        let answer = page(client, request, (1_000, &token)).await;
        spans.push(now() - begin);
        items += answer.runs.len();
        if answer.next_page_token.is_empty() {
            return (spans, tokens, items);
        }
        token.clone_from(&answer.next_page_token);
        tokens.push(answer.next_page_token);
    }
}
