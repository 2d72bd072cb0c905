//! What the Sentinels say together. Pure.
//!
//! A majority is counted against all that are registered, not against those that answer: a handful of Sentinels on the
//! wrong side of a cut must not outvote the rest. Persistent leftovers of old redis-zk wrappers count as well, and may
//! make a majority impossible for ever, which is why fewer may speak too (`decide` says when).

use std::collections::BTreeMap;

use topology::{Addr, Epoch, MasterRecord};

use crate::view::{Answer, Sighting, View};

/// What the Sentinels say together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tally {
    /// There is no Sentinel.
    NoneRegistered,
    /// Nobody of them names a master.
    NoReports,
    /// Too few have answered to say.
    Open,
    /// They name this master.
    Named(MasterRecord, Backing),
    /// Fewer than a majority, and in their highest epoch two addresses are both master.
    Split {
        /// That epoch.
        epoch: Epoch,
        /// One address.
        one: Addr,
        /// The other.
        other: Addr,
    },
}

/// How many stand behind a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backing {
    /// More than half of all that are registered.
    Majority,
    /// Fewer; it has the highest epoch of all that answered.
    Few,
}

/// Counts the votes.
pub(crate) fn tally(view: &View) -> Tally {
    if view.sentinels.is_empty() {
        return Tally::NoneRegistered;
    }
    let mut votes: BTreeMap<(Epoch, &Addr), usize> = BTreeMap::new();
    let mut waiting = false;
    for sighting in view.sentinels.values() {
        match sighting {
            Sighting::Reports(record) => *votes.entry((record.epoch, &record.addr)).or_default() += 1,
            Sighting::Waiting => waiting = true,
            Sighting::NotMonitoring | Sighting::Silent | Sighting::Denied(_) => {}
        }
    }
    let majority = votes.iter().find(|(_, count)| **count >= view.majority());
    if let Some(((epoch, addr), _)) = majority {
        return Tally::Named(record(*epoch, addr), Backing::Majority);
    }
    if waiting {
        return Tally::Open;
    }
    let Some(((highest, _), _)) = votes.last_key_value() else {
        return Tally::NoReports;
    };
    let named: Vec<&Addr> = votes
        .keys()
        .filter(|(epoch, _)| epoch == highest)
        .map(|(_, addr)| *addr)
        .collect();
    few(view, *highest, &named)
}

/// The record of the highest epoch. Where that epoch has several addresses (two operators, or two forced failovers at
/// once: sentinel.c takes the same epoch for both), it is the one that is a master.
fn few(view: &View, epoch: Epoch, named: &[&Addr]) -> Tally {
    if named.len() > 1 && named.iter().any(|addr| *view.answer(addr) == Answer::Waiting) {
        return Tally::Open;
    }
    let mut masters = named
        .iter()
        .filter(|addr| matches!(view.answer(addr), Answer::Master(_)));
    match (masters.next(), masters.next()) {
        (Some(one), Some(other)) => Tally::Split {
            epoch,
            one: (*one).clone(),
            other: (*other).clone(),
        },
        (Some(only), None) => Tally::Named(record(epoch, only), Backing::Few),
        (None, _) => Tally::Named(record(epoch, named[0]), Backing::Few),
    }
}

fn record(epoch: Epoch, addr: &Addr) -> MasterRecord {
    MasterRecord {
        addr: addr.clone(),
        epoch,
    }
}
