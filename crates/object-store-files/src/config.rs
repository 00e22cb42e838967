//! The section `[object_store.<name>]` with `kind = "files"`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The configuration. Every field may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The directory of the objects; a relative one is in the server's data directory. It must be empty or one that this
    /// kind has made, and on a file system with hard links. Default: `objects`.
    pub path: PathBuf,
}

impl Default for Config {
    fn default() -> Self {
        Self { path: PathBuf::from("objects") }
    }
}

impl Config {
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
        assert_eq!(config.directory(Path::new("/data")), Path::new("/data/objects"));
    }

    #[test]
    fn an_absolute_path_stays_and_the_text_reads_back() {
        let config: Config = toml::from_str("path = \"/x\"").unwrap();
        assert_eq!(config.directory(Path::new("/data")), Path::new("/x"));
        assert_eq!(toml::from_str::<Config>(&toml::to_string(&config).unwrap()).unwrap(), config);
    }

    #[test]
    fn an_unknown_field_is_refused_by_name() {
        let error = toml::from_str::<Config>("pth = \"/x\"").unwrap_err().to_string();
        assert!(error.contains("pth"), "{error}");
    }
}
