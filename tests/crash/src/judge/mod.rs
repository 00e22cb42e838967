//! What must hold afterwards. Each judge notes what does not, and goes on.

pub mod explained;
pub mod logs;
pub mod marks;
pub mod processes;
pub mod runs;

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use gofer_client::Client;
use gofer_testkit::ServerBox;
use gofer_tests_e2e::{Witness, connect};

use crate::load::{Acks, Order};
use crate::tally::Tally;
use crate::task::Shape;

/// How many runs are looked at at once.
const AT_ONCE: usize = 8;

/// What a load of runs that must all succeed has left.
pub(crate) struct Case<'a> {
    pub(crate) shape: Shape,
    pub(crate) order: Order,
    pub(crate) acks: Acks,
    pub(crate) witness: &'a Witness,
    pub(crate) tally: &'a Tally,
}

impl Case<'_> {
    /// Every acknowledged run is there and succeeded; each task ran once, printed what it printed, and is explained; then the
    /// server is stopped, and nothing of it is left.
    pub(crate) async fn close(&self, server: &mut ServerBox) {
        let client = connect(server.addr()).await;
        self.runs(&client).await;
        processes::none_left(server, self.tally);
    }

    /// The same without the end of the server.
    pub(crate) async fn runs(&self, client: &Client) -> BTreeSet<u64> {
        let tally = self.tally;
        let all = runs::every(client, self.shape.id, tally).await;
        runs::acknowledged(&self.acks, &all, tally);
        runs::same_by_key(client, &self.order, &self.acks, tally).await;
        runs::succeed(client, self.shape.id, &all, tally).await;
        let marks = self.witness.marks();
        marks::once_each(&marks, &all, self.shape.tasks, tally);
        let looks = all.iter().map(|number| async {
            logs::whole(client, (self.shape.id, *number), &self.shape, tally).await;
            explained::fits(client, (self.shape.id, *number), tally).await;
            runs::same_process(client, (self.shape.id, *number), &marks, tally).await;
        });
        stream::iter(looks).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
        tally.add("runs judged: end, witness, every line, explain", all.len());
        all
    }
}
