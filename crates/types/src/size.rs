//! Sizes in bytes, with the text form of pipeline and configuration files: `256MiB`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::QuantityError;

/// A number of bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ByteSize(u64);

impl ByteSize {
    /// That many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// That many mebibytes.
    #[must_use]
    pub const fn from_mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// The number of bytes.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

const UNITS: [(&str, u32); 4] = [("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];

impl FromStr for ByteSize {
    type Err = QuantityError;

    /// Reads a whole number with one of `B KiB MiB GiB`.
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        let parsed = UNITS.iter().find_map(|(unit, shift)| {
            let number: u64 = text.strip_suffix(unit)?.trim_end().parse().ok()?;
            number.checked_mul(1_u64 << shift)
        });
        parsed.map(Self).ok_or_else(|| QuantityError {
            text: text.to_owned(),
            wanted: "a size such as `256MiB`, `2GiB`, `64KiB` or `100B`",
        })
    }
}

impl fmt::Display for ByteSize {
    /// The shortest text that [`ByteSize::from_str`] reads back to the same size.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS.iter().find(|(_, shift)| self.0 > 0 && self.0.trailing_zeros() >= *shift);
        let (name, shift) = unit.copied().unwrap_or(("B", 0));
        write!(f, "{}{name}", self.0 >> shift)
    }
}

impl fmt::Debug for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Serde as text, for configuration: `#[serde(with = "gofer_types::size::text")]`.
pub mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

    use super::ByteSize;

    /// Writes `256MiB`.
    pub fn serialize<S: Serializer>(size: &ByteSize, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(size)
    }

    /// Reads `256MiB`.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ByteSize, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        assert_eq!("256MiB".parse(), Ok(ByteSize::from_mib(256)));
        assert_eq!("100B".parse(), Ok(ByteSize::from_bytes(100)));
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in ["", "5", "MiB", "-1MiB", "1.5GiB", "1MB", "99999999999999GiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_size_reads_back(bytes in any::<u64>()) {
            let size = ByteSize::from_bytes(bytes);
            prop_assert_eq!(size.to_string().parse::<ByteSize>(), Ok(size));
        }
    }
}
