//! The weighted fair order between those who share something, whatever it is.
//!
//! Each member has a virtual time at which its next turn starts. The smallest goes next and pays `2520 / weight`. One that
//! becomes ready comes in at the present virtual time, or later if it has paid in advance. Of two at the same time, the
//! one goes first that has had that time for longer; without this, one of weight 10 could get an eleventh turn before
//! one of weight 1.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use crate::limits::Weight;

/// The price of a turn at weight 1: the least number that every weight from 1 to 10 divides.
const PRICE: u64 = 2520;

/// How many members are kept at least before those are dropped that need no memory.
const KEPT: usize = 2;

/// When a turn starts, and which of two that start at once goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    start: u64,
    serial: u64,
}

#[derive(Debug, Clone)]
struct Member {
    turn: Turn,
    price: u64,
    ready: bool,
}

/// The order between members.
#[derive(Debug, Clone)]
pub(crate) struct Fair<K> {
    /// The present virtual time: where the newest turn started.
    present: u64,
    serial: u64,
    members: HashMap<K, Member>,
    ready: BTreeMap<Turn, K>,
    /// At how many members the next sweep is due.
    sweep_at: usize,
}

impl<K: Clone + Eq + Hash> Fair<K> {
    pub(crate) fn new() -> Self {
        Self { present: 0, serial: 0, members: HashMap::new(), ready: BTreeMap::new(), sweep_at: KEPT }
    }

    /// Says whether a member has something that could take the next turn. Saying the same again changes nothing.
    pub(crate) fn set_ready(&mut self, key: &K, weight: Weight, ready: bool) {
        let known = self.members.get(key).is_some_and(|member| member.ready);
        match (known, ready) {
            (false, true) => self.enter(key, weight),
            (true, false) => self.leave(key),
            _ => {}
        }
    }

    fn enter(&mut self, key: &K, weight: Weight) {
        self.sweep();
        let turn = self.entry(key);
        self.serial = self.serial.max(turn.serial);
        self.members
            .insert(key.clone(), Member { turn, price: PRICE / u64::from(weight.get()), ready: true });
        self.ready.insert(turn, key.clone());
    }

    fn leave(&mut self, key: &K) {
        if let Some(member) = self.members.get_mut(key) {
            member.ready = false;
            self.ready.remove(&member.turn);
        }
    }

    /// The turn of a member that comes in now: the one that it has paid for, or a new one at present.
    fn entry(&self, key: &K) -> Turn {
        let paid = self.members.get(key).map(|member| member.turn).filter(|turn| turn.start > self.present);
        paid.unwrap_or(Turn { start: self.present, serial: self.serial + 1 })
    }

    /// Drops members that would come in like new ones. The number doubles between two sweeps, so that they cost nothing.
    fn sweep(&mut self) {
        if self.members.len() >= self.sweep_at {
            let present = self.present;
            self.members.retain(|_, member| member.ready || member.turn.start > present);
            self.sweep_at = KEPT.max(2 * self.members.len());
        }
    }

    /// Whose turn is next.
    pub(crate) fn first(&self) -> Option<&K> {
        self.ready.first_key_value().map(|(_, key)| key)
    }

    /// Whether the next turn would be this member's if it were ready.
    pub(crate) fn would_lead(&self, key: &K) -> bool {
        let Some((first, leader)) = self.ready.first_key_value() else { return true };
        leader == key || self.entry(key) < *first
    }

    /// Takes the next turn of a member that is ready.
    pub(crate) fn take(&mut self, key: &K) {
        let Some(member) = self.members.get_mut(key).filter(|member| member.ready) else { return };
        self.ready.remove(&member.turn);
        self.present = self.present.max(member.turn.start);
        self.serial += 1;
        member.turn = Turn { start: member.turn.start.saturating_add(member.price), serial: self.serial };
        self.ready.insert(member.turn, key.clone());
    }

    /// After how many turns each of these of a member come (from 1, in ascending order), and how many wait in all, should
    /// everybody take turns until nobody waits any more. It plays these turns, once for all.
    pub(crate) fn places(
        &self,
        whose: &K,
        nths: &[usize],
        waiting: impl Fn(&K) -> usize,
    ) -> (Vec<usize>, usize) {
        let mut turns: BTreeMap<Turn, (&K, usize)> = BTreeMap::new();
        for (turn, key) in &self.ready {
            turns.insert(*turn, (key, waiting(key)));
        }
        let of = turns.values().map(|(_, waiting)| waiting).sum();
        let (mut place, mut own, mut serial) = (0, 0, self.serial);
        let mut places = Vec::with_capacity(nths.len());
        while places.len() < nths.len()
            && let Some((turn, (key, left))) = turns.pop_first()
        {
            let Some(left) = left.checked_sub(1) else { continue };
            place += 1;
            if key == whose {
                own += 1;
                if nths.get(places.len()) == Some(&own) {
                    places.push(place);
                }
            }
            serial += 1;
            let price = self.members.get(key).map_or(PRICE, |member| member.price);
            turns.insert(Turn { start: turn.start.saturating_add(price), serial }, (key, left));
        }
        // one that is not ready has no turn: it comes behind everybody
        places.resize(nths.len(), place);
        (places, of)
    }
}
