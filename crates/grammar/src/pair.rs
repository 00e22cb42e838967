//! A name and a value in one word: `NAME=VALUE`. What either of them may be is said by who takes them.

use std::str::FromStr;

/// A name and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// What stands before the first `=`, without spaces around it; never empty.
    pub name: String,
    /// Everything behind it, as it was typed.
    pub value: String,
}

/// Why a word is no pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoPair;

impl std::error::Error for NoPair {}

impl std::fmt::Display for NoPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a name, `=` and a value are needed")
    }
}

impl FromStr for Pair {
    type Err = NoPair;

    fn from_str(text: &str) -> Result<Self, NoPair> {
        let (name, value) = text.split_once('=').ok_or(NoPair)?;
        let name = name.trim();
        if name.is_empty() {
            Err(NoPair)
        } else {
            Ok(Self { name: name.to_owned(), value: value.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sign_divides_and_the_value_is_left_alone() {
        let pair: Pair = " a = b=c".parse().expect("a pair");
        assert_eq!((pair.name.as_str(), pair.value.as_str()), ("a", " b=c"));
        assert_eq!("a=".parse::<Pair>().map(|pair| pair.value), Ok(String::new()));
        assert_eq!(["a", "=b", " =b", ""].map(str::parse::<Pair>), [const { Err(NoPair) }; 4]);
    }
}
