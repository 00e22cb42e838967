//! What changes nothing: get, head, list, usage.

use gofer_object_store::{ByteRange, MAX_PAGE, PageRequest};
use gofer_types::{Namespace, ObjectScope as Scope};

use crate::Objects;
use crate::error::{ObjectsError, Result};
use crate::path::{Layout as _, ObjectPath};
use crate::types::{Content, Listing, Meta, Page, Usage};

impl Objects {
    /// Opens an object for reading. What was opened is read to its end, also while it is replaced or deleted.
    ///
    /// A range that passes the end is cut there. Errors: `NotFound`; `Invalid` for a range that begins behind the end.
    pub async fn get(&self, scope: &Scope, path: &ObjectPath, range: ByteRange) -> Result<Content> {
        let found = self.inner.store.get(&scope.key(path)?, range).await;
        let object = found.map_err(|error| ObjectsError::about(error, scope, path))?;
        Ok(Content { meta: Meta::new(scope, object.meta)?, bytes: object.bytes })
    }

    /// What an object is.
    ///
    /// Errors: `NotFound`.
    pub async fn head(&self, scope: &Scope, path: &ObjectPath) -> Result<Meta> {
        let found = self.inner.store.head(&scope.key(path)?).await;
        Meta::new(scope, found.map_err(|error| ObjectsError::about(error, scope, path))?)
    }

    /// Objects of a scope in the byte order of their keys; with `below`, only those whose keys have all its segments and more.
    ///
    /// Nothing there: an empty page, never `NotFound`.
    pub async fn list(&self, scope: &Scope, below: Option<&ObjectPath>, page: Page) -> Result<Listing> {
        let after = page.after.map(|path| scope.key(&path)).transpose()?;
        let request = PageRequest { after, limit: page.limit.clamp(1, MAX_PAGE) };
        let found = self.inner.store.list(&scope.prefix(below)?, request).await?;
        let objects = found.objects.into_iter().map(|meta| Meta::new(scope, meta));
        let damaged = found.damaged.iter().map(|key| scope.path(key));
        Ok(Listing {
            objects: objects.collect::<Result<_>>()?,
            damaged: damaged.collect::<gofer_backend::Result<_>>()?,
            next: found.next.map(|key| scope.path(&key)).transpose()?,
        })
    }

    /// What the objects of a namespace take. The first call counts them.
    pub async fn usage(&self, namespace: &Namespace) -> Result<Usage> {
        Ok(self.inner.accounts.enter(namespace).await?.usage())
    }
}
