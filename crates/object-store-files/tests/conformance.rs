//! Files pass the suite.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use async_trait::async_trait;
use gofer_backend::Result;
use gofer_object_store::conformance::{Harness, MakeRoom, main as suite};
use gofer_object_store::{Capabilities, ObjectStore};
use gofer_object_store_files::Config;

#[derive(Debug)]
struct Files;

#[async_trait]
impl Harness for Files {
    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true, shared: false }
    }

    async fn open(&self, place: &Path) -> Result<Arc<dyn ObjectStore>> {
        gofer_object_store_files::open("test", &Config { path: place.to_path_buf() }, Path::new("/"))
    }

    async fn crash(&self, _place: &Path, store: Arc<dyn ObjectStore>) {
        drop(store);
    }

    fn on_disk(&self) -> bool {
        true
    }

    fn small(&self, _place: &Path) -> Option<MakeRoom> {
        None
    }
}

fn main() -> ExitCode {
    suite(Files)
}
