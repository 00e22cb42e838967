//! The lists of the fake, and what its defects make of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use gofer_backend::{BackendError, ErrorKind, Result};

use super::disk::Objects;
use super::{Defect, keys};
use crate::{KeyPrefix, MAX_PAGE, ObjectKey, ObjectMeta, ObjectPage, PageRequest, Sha256};

/// One page of some objects. `given` counts what was listed since the last first page.
pub(super) fn page(
    objects: &Objects,
    prefix: &KeyPrefix,
    mut page: PageRequest,
    defect: Option<Defect>,
    given: &AtomicUsize,
) -> Result<ObjectPage> {
    let has = |one| defect == Some(one);
    let limit = if has(Defect::ZeroLimitIsAccepted) { page.limit.min(MAX_PAGE) } else { page.bound()? };
    if has(Defect::CursorMustBeThere) && page.after.as_ref().is_some_and(|after| !objects.contains_key(after))
    {
        page.after = None;
    }
    let mut keys: Vec<&ObjectKey> =
        objects.keys().filter(|key| keys::listed(prefix, &page, key, defect)).collect();
    if keys.is_empty() && page.after.is_none() && has(Defect::EmptyPrefixIsNotFound) {
        return Err(BackendError::new(ErrorKind::NotFound, "there is no such prefix"));
    }
    if has(Defect::ListIsInOrderOfSegments) {
        keys.sort_by(|a, b| a.segments().cmp(b.segments()));
    }
    if page.after.is_none() {
        given.store(0, Ordering::Relaxed);
    }
    let skipped = match defect {
        Some(Defect::CursorIsANumber) => given.load(Ordering::Relaxed),
        Some(Defect::PageSkipsOne) if page.after.is_some() => 1,
        _ => 0,
    };
    let limit = if has(Defect::PageLimitIsIgnored) { usize::MAX } else { limit };
    let mut rest = keys.into_iter().skip(skipped);
    let found: Vec<ObjectMeta> = rest
        .by_ref()
        .take(limit)
        .filter_map(|key| objects.get(key))
        .map(|stored| shown(&stored.meta, defect))
        .collect();
    given.fetch_add(found.len(), Ordering::Relaxed);
    let next = rest.next().and(found.last().map(|meta| meta.key.clone()));
    Ok(ObjectPage { objects: found, damaged: Vec::new(), next })
}

fn shown(meta: &ObjectMeta, defect: Option<Defect>) -> ObjectMeta {
    let mut meta = meta.clone();
    if defect == Some(Defect::ListForgetsTheHash) {
        meta.sha256 = Sha256::of(b"");
    }
    meta
}
