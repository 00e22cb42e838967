//! The section `[storage.<name>]` with `kind = "sled"`.

use std::path::{Path, PathBuf};

use gofer_backend::{BackendError, ErrorKind, Result};
use gofer_types::ByteSize;
use serde::{Deserialize, Serialize};

use crate::KIND;

/// The configuration. Every field may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The directory of the storage; a relative one is in the server's data directory. Default: `sled`.
    pub path: PathBuf,
    /// How much memory sled may use for pages. Default: `64MiB`.
    #[serde(with = "gofer_types::size::text")]
    pub cache: ByteSize,
    /// The room that is left on the disk: a commit that would leave less is refused as exhausted. At least `16MiB`, as sled takes
    /// room in steps of 8 MiB, and must be restarted once it has met a full disk itself. Default: `32MiB`.
    #[serde(with = "gofer_types::size::text")]
    pub reserve: ByteSize,
}

impl Default for Config {
    fn default() -> Self {
        Self { path: PathBuf::from(KIND), cache: ByteSize::from_mib(64), reserve: ByteSize::from_mib(32) }
    }
}

/// The smallest reserve.
const LEAST_RESERVE: ByteSize = ByteSize::from_mib(16);

impl Config {
    /// Refuses what cannot work. No I/O.
    pub fn validate(&self) -> Result<()> {
        if self.reserve < LEAST_RESERVE {
            let error = BackendError::new(ErrorKind::InvalidInput, "the reserve is too small for sled")
                .at(KIND, "configure");
            return Err(error.with("reserve", self.reserve).with("least", LEAST_RESERVE));
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
        assert_eq!(config.directory(Path::new("/data")), Path::new("/data/sled"));
    }

    #[test]
    fn every_field_is_read() {
        let config: Config = toml::from_str("path = \"/x\"\ncache = \"1MiB\"\nreserve = \"64MiB\"").unwrap();
        assert_eq!(config.directory(Path::new("/data")), Path::new("/x"));
        assert_eq!((config.cache, config.reserve), (ByteSize::from_mib(1), ByteSize::from_mib(64)));
    }

    #[test]
    fn a_reserve_that_is_too_small_is_refused_with_both_sizes() {
        Config::default().validate().unwrap();
        let error = Config { reserve: ByteSize::from_mib(15), ..Config::default() }.validate().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("reserve 15MiB, least 16MiB"), "{error}");
    }

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let error = toml::from_str::<Config>("cachee = \"1MiB\"").unwrap_err().to_string();
        assert!(error.contains("cachee"), "{error}");
    }
}
