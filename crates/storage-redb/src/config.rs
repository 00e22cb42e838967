//! The section `[storage.<name>]` with `kind = "redb"`.

use std::path::{Path, PathBuf};

use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_types::ByteSize;
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
    /// Whether each commit makes two syncs instead of one, so that the first start after a crash takes milliseconds however
    /// much is stored. Without it that start reads everything: about half a second for a million rows. Default: `true`.
    pub fast_recovery: bool,
}

impl Default for Config {
    fn default() -> Self {
        let (cache, reserve) = (ByteSize::from_mib(16), ByteSize::from_mib(16));
        Self { path: PathBuf::from(KIND), cache, reserve, fast_recovery: true }
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
            toml::from_str("path = \"/x\"\ncache = \"1MiB\"\nreserve = \"0B\"\nfast_recovery = false")
                .unwrap();
        assert_eq!(config.directory(Path::new("/data")), Path::new("/x"));
        assert!(!config.fast_recovery);
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
    fn an_unknown_field_is_refused_by_name() {
        let error = toml::from_str::<Config>("cachee = \"1MiB\"").unwrap_err().to_string();
        assert!(error.contains("cachee"), "{error}");
    }
}
