//! redb passes the suite.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use gofer_backend::Result;
use gofer_storage::conformance::{Harness, MakeRoom, main as suite};
use gofer_storage::{Capabilities, Storage};
use gofer_storage_redb::Config;
use gofer_types::ByteSize;

#[derive(Debug)]
struct Redb;

#[async_trait]
impl Harness for Redb {
    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true, shared: false }
    }

    async fn open(&self, place: &Path) -> Result<Arc<dyn Storage>> {
        // without a reserve: the suite fills a disk to the last byte
        let reserve = ByteSize::from_bytes(0);
        let config = Config { path: place.to_path_buf(), reserve, ..Config::default() };
        gofer_storage_redb::open("test", &config, Path::new("/"))
    }

    async fn crash(&self, _place: &Path, storage: Arc<dyn Storage>) {
        drop(storage);
    }

    fn on_disk(&self) -> bool {
        true
    }

    fn small(&self, _place: &Path) -> Option<MakeRoom> {
        None
    }
}

fn main() -> ExitCode {
    suite(Redb)
}
