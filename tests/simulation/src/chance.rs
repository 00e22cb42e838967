//! Everything that is left to chance, and that a seed decides.

use gofer_tests_chance::next;

/// A row of numbers that a seed decides.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The row of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `limit`; 0 if that is 0.
    pub fn below(&mut self, limit: u64) -> u64 {
        next(&mut self.0).checked_rem(limit).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Whether something happens that happens so many times in a thousand.
    pub fn per_mille(&mut self, rate: u32) -> bool {
        self.below(1000) < u64::from(rate)
    }

    /// One of several.
    ///
    /// # Panics
    /// If there is none.
    pub fn one_of<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).unwrap_or(0)]
    }

    /// One of several, each as likely as its weight says.
    ///
    /// # Panics
    /// If there is none.
    pub fn weighted<T: Copy>(&mut self, of: &[(u32, T)]) -> T {
        let mut at = self.below(of.iter().map(|(weight, _)| u64::from(*weight)).sum());
        for (weight, one) in of {
            match at.checked_sub(u64::from(*weight)) {
                Some(rest) => at = rest,
                None => return *one,
            }
        }
        of[0].1
    }
}

/// The number that belongs to a name under a seed: it does not depend on what else was asked for, so that a history that is
/// shortened keeps the faults of what is left.
#[must_use]
pub fn keyed(seed: u64, name: &str, nth: u64) -> u64 {
    // FNV-1a, 64 bits, by Fowler, Noll and Vo
    let mut hash = 0xcbf2_9ce4_8422_2325_u64 ^ seed;
    for byte in name.bytes().chain(nth.to_le_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    next(&mut hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_kept_about() {
        let mut dice = Dice::new(1);
        let heads = (0..10_000).filter(|_| dice.weighted(&[(3, true), (1, false)])).count();
        assert!((7_000..8_000).contains(&heads), "{heads}");
    }

    #[test]
    fn a_keyed_number_depends_on_all_of_its_key() {
        let one = keyed(1, "start", 1);
        assert_eq!(one, keyed(1, "start", 1));
        for other in [keyed(2, "start", 1), keyed(1, "stop", 1), keyed(1, "start", 2)] {
            assert_ne!(one, other);
        }
    }
}
