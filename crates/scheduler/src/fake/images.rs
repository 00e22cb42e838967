//! Fetching images at the fake: each image tells by its own name what its fetch does; [`script`](super::script) documents
//! the names.

use async_trait::async_trait;
use gofer_backend::{BackendError, ErrorKind, Result, RetryAdvice};

use super::scheduler::error;
use super::{FakeScheduler, Pages};
use crate::{Image, ImageProgress, Images, PullPolicy, RegistryAuth, TaskSpec};

const SIZE: u64 = 1_000_000;

/// What became of an image that was asked for.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// How often the registry was asked for it.
    pub(crate) asked: u32,
    /// Who the last one said to be.
    pub(crate) auth: Option<RegistryAuth>,
    here: bool,
}

/// The digest of an image, which is a function of its name.
pub(crate) fn digest(image: &str) -> Option<String> {
    // FNV-1a: it has to differ, not to be safe
    let hash = image.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (!image.is_empty()).then(|| format!("sha256:{hash:064x}"))
}

/// What the name of an image tells: the word, and what stands behind its dash.
fn told(image: &str) -> Option<(&str, &str)> {
    let tag = image.strip_prefix("fake:")?;
    Some(tag.split_once('-').unwrap_or((tag, "")))
}

/// Whether this happens at the `nth` time: always without a count, else that many times.
fn happens(count: &str, nth: u32) -> bool {
    count.parse::<u32>().map_or(count.is_empty(), |count| nth <= count)
}

fn failure(image: &str, nth: u32) -> Option<BackendError> {
    let (word, count) = told(image)?;
    let (kind, message) = match word {
        "missing" => (ErrorKind::InvalidInput, "there is no such image"),
        "denied" => (ErrorKind::PermissionDenied, "the registry refuses the credentials"),
        "late" => (ErrorKind::TimedOut, "the fetch of the image takes too long"),
        "full" => (ErrorKind::Exhausted, "there is no room for the image"),
        "unreachable" if happens(count, nth) => (ErrorKind::Unavailable, "the registry cannot be reached"),
        _ => return None,
    };
    // what is too late now was given all the time there is
    let error = error(kind, "fetch", message).with("image", image);
    Some(if kind == ErrorKind::TimedOut { error.retry(RetryAdvice::Never) } else { error })
}

impl Pages {
    pub(crate) fn has_image(&self, image: &str) -> bool {
        told(image).is_none() || self.images.get(image).is_some_and(|known| known.here)
    }

    fn image_arrives(&mut self, image: &str) {
        let known = self.images.entry(image.to_owned()).or_default();
        known.here = !matches!(told(image), Some(("vanishing", count)) if happens(count, known.asked));
    }
}

impl FakeScheduler {
    /// Moves the bytes, as slowly as the image's name says.
    async fn transfer(&self, image: &str, progress: &mut (dyn FnMut(ImageProgress) + Send)) {
        let book = &self.backend.book;
        let steps = if matches!(told(image), Some(("slow", _))) { 100 } else { 10 };
        for step in 0..=steps {
            progress(ImageProgress { done: SIZE * step / steps, total: SIZE });
            match told(image) {
                Some(("slow", _)) if step < steps => {
                    let second = std::time::Duration::from_secs(1);
                    book.clock.sleep_until(book.clock.monotonic() + second).await;
                }
                Some(("gate", name)) if step == steps / 2 => {
                    // the book holds the sender
                    let _ = book.gate(name).wait_for(|open| *open).await;
                }
                _ => {}
            }
        }
    }
}

#[async_trait]
impl Images for FakeScheduler {
    async fn fetch(
        &self,
        spec: &TaskSpec,
        progress: &mut (dyn FnMut(ImageProgress) + Send),
    ) -> Result<Image> {
        self.present("fetch")?;
        let image = spec.image.as_str();
        let Some(digest) = digest(image) else {
            return Err(error(ErrorKind::InvalidInput, "fetch", "the task names no image"));
        };
        let (here, nth) = {
            let mut pages = self.backend.book.pages();
            let here = pages.has_image(image);
            if here && spec.pull == PullPolicy::Missing {
                return Ok(Image { digest, fetched: false });
            }
            let known = pages.images.entry(image.to_owned()).or_default();
            known.asked += 1;
            known.auth.clone_from(&spec.registry_auth);
            (here, known.asked)
        };
        if let Some(error) = failure(image, nth) {
            return Err(error);
        }
        if !here {
            self.transfer(image, progress).await;
            self.backend.book.pages().image_arrives(image);
        }
        Ok(Image { digest, fetched: !here })
    }
}
