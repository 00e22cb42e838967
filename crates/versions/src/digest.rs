//! A digest of parts, each with its length before it, so that no two lists of parts share their bytes.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A digest in the making: SHA-256 over the parts that it is told.
#[derive(Clone, Default)]
pub struct Digest(Sha256);

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Digest").finish_non_exhaustive()
    }
}

impl Digest {
    /// The digest of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes one part in.
    pub fn part(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    /// The same for a text.
    pub fn text(&mut self, text: &str) {
        self.part(text.as_bytes());
    }

    /// The digest of all parts, as 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn finish(self) -> String {
        use std::fmt::Write as _;
        self.0.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(parts: &[&str]) -> String {
        let mut digest = Digest::new();
        parts.iter().for_each(|part| digest.text(part));
        digest.finish()
    }

    #[test]
    fn where_a_part_ends_counts() {
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["a", ""]), of(&["a"]));
        assert_eq!(of(&["ab", "c"]), of(&["ab", "c"]));
    }

    #[test]
    fn a_stored_digest_is_the_same_in_every_version_of_gofer() {
        assert_eq!(of(&[]), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
