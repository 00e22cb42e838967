//! The object store: the calls of the trait, each with its blocking work on a thread of its own.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use gofer_backend::{BackendError, BackendInfo, ErrorKind, Result};
use gofer_object_store::{
    ByteRange, ByteStream, Capabilities, Intake, KeyPrefix, Object, ObjectKey, ObjectMeta, ObjectPage,
    ObjectStore, PageRequest, Put,
};

use crate::stage::{Staged, Writer};
use crate::tree::{Found, Tree};
use crate::{KIND, list, read};

/// How many bytes of a put are gathered before they are written.
const BATCH: usize = 256 << 10;

/// An object store in a directory.
#[derive(Debug)]
pub(crate) struct Files {
    name: String,
    tree: Arc<Tree>,
}

impl Files {
    pub(crate) fn open(name: &str, path: &Path) -> Result<Self> {
        Ok(Self { name: name.to_owned(), tree: Arc::new(Tree::open(path)?) })
    }

    /// Blocking work on the tree. Once begun it is carried out, also if nobody waits for it.
    async fn work<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Tree) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let tree = Arc::clone(&self.tree);
        blocking(move || work(&tree)).await.map_err(|error| error.at(KIND, operation))
    }

    /// Reads the stream into a staged file.
    async fn receive(&self, mut stream: ByteStream, intake: Intake) -> Result<Writer> {
        let mut writer = self.work("put", move |tree| Writer::new(&tree.home().staging(), intake)).await?;
        let mut held = BytesMut::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk?;
            writer.admit(&chunk)?;
            if chunk.len() >= BATCH && held.is_empty() {
                writer = write(writer, chunk).await?;
                continue;
            }
            held.extend_from_slice(&chunk);
            if held.len() >= BATCH {
                writer = write(writer, held.split().freeze()).await?;
            }
        }
        write(writer, held.freeze()).await
    }
}

/// The writer goes with the work, so that a put which is dropped meanwhile is tidied up by whoever has it.
async fn write(mut writer: Writer, bytes: Bytes) -> Result<Writer> {
    blocking(move || writer.write(&bytes).map(|()| writer)).await
}

/// Runs blocking work on a thread for it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        let text = "the work on the disk was not carried out to its end";
        Err(BackendError::new(ErrorKind::Unavailable, text).source(error))
    })
}

fn require(found: Found, key: &ObjectKey) -> Result<(ObjectMeta, std::fs::File)> {
    match found {
        Found::Object(meta, file) => Ok((meta, file)),
        Found::Damaged(error) => Err(error),
        Found::Nothing => {
            Err(BackendError::new(ErrorKind::NotFound, "no object is under this key").with("key", key))
        }
    }
}

#[async_trait]
impl ObjectStore for Files {
    fn info(&self) -> BackendInfo {
        BackendInfo {
            kind: KIND,
            name: self.name.clone(),
            target: self.tree.home().path().display().to_string(),
        }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { durable: true, shared: false }
    }

    async fn check(&self) -> Result<()> {
        let check = |tree: &Tree| {
            tree.require_trust()?;
            tree.home().require()?;
            let mut staged = Staged::create(&tree.home().staging())?;
            staged.write(b"check")?;
            staged.sync()
        };
        self.work("check", check).await
    }

    async fn put(&self, key: &ObjectKey, bytes: ByteStream, put: Put) -> Result<ObjectMeta> {
        let intake = Intake::new(&put).map_err(|error| error.at(KIND, "put"))?;
        let (name, if_absent) = (key.clone(), put.if_absent);
        let ready = move |tree: &Tree| {
            tree.require_trust()?;
            if if_absent { tree.require_absent(&name) } else { Ok(()) }
        };
        self.work("put", ready).await?;
        let writer = self.receive(bytes, intake).await.map_err(|error| error.at(KIND, "put"))?;
        let name = key.clone();
        let publish = move |tree: &Tree| {
            let (staged, meta) = writer.finish(&name, put)?;
            tree.publish(staged, &name, if_absent).map(|()| meta)
        };
        self.work("put", publish).await
    }

    async fn get(&self, key: &ObjectKey, range: ByteRange) -> Result<Object> {
        let key = key.clone();
        let open = move |tree: &Tree| {
            let (meta, file) = require(tree.find(&key)?, &key)?;
            let range = range.within(meta.size).map_err(|error| error.with("key", &key))?;
            Ok(Object { bytes: read::stream(file, meta.clone(), range), meta })
        };
        self.work("get", open).await
    }

    async fn head(&self, key: &ObjectKey) -> Result<ObjectMeta> {
        let key = key.clone();
        self.work("head", move |tree| require(tree.find(&key)?, &key).map(|(meta, _)| meta)).await
    }

    async fn delete(&self, key: &ObjectKey) -> Result<()> {
        let key = key.clone();
        self.work("delete", move |tree| tree.remove(&key)).await
    }

    async fn list(&self, prefix: &KeyPrefix, page: PageRequest) -> Result<ObjectPage> {
        let prefix = prefix.clone();
        self.work("list", move |tree| list::page(tree, &prefix, &page)).await
    }
}
