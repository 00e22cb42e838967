//! The figures of redb, measured as for every storage. `SETTLE_AFTER=0` settles with every commit.

#[path = "../../storage/benches/shared/figures.rs"]
mod figures;

use std::path::Path;
use std::sync::Arc;

use gofer_storage::Storage;
use gofer_storage_redb::{Config, open};

#[expect(clippy::expect_used, reason = "a bench without a storage has nothing to measure")]
fn storage(dir: &Path) -> Arc<dyn Storage> {
    let mut config = Config::default();
    if let Ok(text) = std::env::var("SETTLE_AFTER") {
        config.settle_after = text.parse().expect("a span");
    }
    open("bench", &config, dir).expect("a storage that opens")
}

fn main() {
    figures::run(storage);
}
