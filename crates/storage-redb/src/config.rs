//! The section `[storage.<name>]` with `kind = "redb"`.

use std::path::{Path, PathBuf};

use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_types::{ByteSize, Span};
use serde::{Deserialize, Serialize};

use crate::KIND;

/// The configuration. Every field may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The directory of the storage; a relative one is in the server's data directory. Default: `redb`.
    pub path: PathBuf,
    /// How much memory redb may use for pages, mostly for reading. Default: `16MiB`.
    #[serde(with = "gofer_types::size::text")]
    pub cache: ByteSize,
    /// The room that is left on the disk: a commit that would leave less is refused as exhausted. `0B`
    /// leaves none. Default: `16MiB`.
    #[serde(with = "gofer_types::size::text")]
    pub reserve: ByteSize,
    /// How long no commit must have come before one more write prepares the file for a fast start. A start after a crash before
    /// that reads everything, about 0.6 s for a million rows; a start after a crash later, or after a stop in order, does
    /// not. `0s` prepares it with every commit: each then makes two syncs instead of one. Default: `1s`.
    #[serde(with = "span_text")]
    pub settle_after: Span,
    /// Up to which size on the disk the file is read whole and verified at every start, so that a bit that has flipped is found
    /// before anything is read wrongly: 32 MiB are about 100,000 rows and 50 ms. A larger file is verified when it is compacted, and
    /// by a start after a crash under load. `0B` never verifies at a start. Default: `32MiB`.
    #[serde(with = "gofer_types::size::text")]
    pub verify_up_to: ByteSize,
}

/// A span as its text.
mod span_text {
    use gofer_types::Span;
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(span)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Span, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl Default for Config {
    fn default() -> Self {
        let (cache, reserve) = (ByteSize::from_mib(16), ByteSize::from_mib(16));
        Self {
            path: PathBuf::from(KIND),
            cache,
            reserve,
            settle_after: Span::from_secs(1),
            verify_up_to: ByteSize::from_mib(32),
        }
    }
}

/// The smallest cache that redb works well with.
const LEAST_CACHE: ByteSize = ByteSize::from_mib(1);

impl Config {
    /// Refuses what cannot work. No I/O.
    pub fn validate(&self) -> Result<()> {
        if self.cache < LEAST_CACHE || usize::try_from(self.cache.get()).is_err() {
            let error = BackendError::new(ErrorKind::InvalidInput, "the cache has no usable size")
                .at(KIND, "configure");
            return Err(error.with("cache", self.cache).with("least", LEAST_CACHE));
        }
        Ok(())
    }

    /// The directory that this configuration means.
    #[must_use]
    pub fn directory(&self, data_dir: &Path) -> PathBuf {
        data_dir.join(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_section_is_the_default() {
        let config: Config = toml::from_str("").unwrap();
        assert_eq!(config, Config::default());
        assert_eq!(config.directory(Path::new("/data")), Path::new("/data/redb"));
    }

    #[test]
    fn every_field_is_read() {
        let config: Config =
            toml::from_str("path = \"/x\"\ncache = \"1MiB\"\nreserve = \"0B\"\nsettle_after = \"250ms\"\nverify_up_to = \"2MiB\"")
                .unwrap();
        assert_eq!(config.directory(Path::new("/data")), Path::new("/x"));
        assert_eq!(
            (config.settle_after, config.verify_up_to),
            (Span::from_millis(250), ByteSize::from_mib(2))
        );
        assert_eq!((config.cache, config.reserve), (ByteSize::from_mib(1), ByteSize::from_bytes(0)));
    }

    #[test]
    fn a_cache_that_is_too_small_is_refused_with_both_sizes() {
        Config::default().validate().unwrap();
        let error = Config { cache: ByteSize::from_bytes(9), ..Config::default() }.validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("cache 9B, least 1MiB"), "{error}");
    }

    #[test]
    fn the_removed_key_is_refused_by_name() {
        let error = toml::from_str::<Config>("fast_recovery = true").unwrap_err().to_string();
        assert!(error.contains("fast_recovery") && error.contains("settle_after"), "{error}");
    }

    #[test]
    fn the_default_reads_back_from_its_text() {
        let text = toml::to_string(&Config::default()).unwrap();
        assert!(text.contains("settle_after = \"1s\""), "{text}");
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), Config::default());
    }

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let error = toml::from_str::<Config>("cachee = \"1MiB\"").unwrap_err().to_string();
        assert!(error.contains("cachee"), "{error}");
    }
}
