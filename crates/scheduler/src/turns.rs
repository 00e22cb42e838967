//! Whose turn it is at an id: for backends that have to keep calls on the same attempt apart.

use std::hash::{DefaultHasher, Hash, Hasher};

use futures_util::lock::{Mutex, MutexGuard};
use gofer_types::AttemptId;

/// How many ids can have their turn at the same time; ids that fall together wait for each other.
const PLACES: usize = 256;

/// The turns of one backend. See the module.
#[derive(Debug)]
pub struct Turns(Vec<Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..PLACES).map(|_| Mutex::new(())).collect())
    }
}

impl Turns {
    /// Waits until nobody else has the turn of this id. It lasts until the answer is dropped.
    pub async fn take(&self, id: &AttemptId) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % PLACES as u64).unwrap_or(0);
        self.0[place].lock().await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn an_id_has_one_turn_at_a_time_and_others_go_on() {
        let turns = Turns::default();
        let one = AttemptId::from_u128(1);
        let turn = turns.take(&one).now_or_never();
        assert!(turn.is_some() && turns.take(&one).now_or_never().is_none());
        let others = (2..100).map(AttemptId::from_u128);
        assert!(others.filter(|id| turns.take(id).now_or_never().is_some()).count() > 90);
        drop(turn);
        assert!(turns.take(&one).now_or_never().is_some());
    }
}
