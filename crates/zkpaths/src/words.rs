//! The words in `/redis/state`: how far a change of master has come, and why it was made.
//!
//! During an update programs of two versions share one tree, and the older one finds words that it has never heard. Such a word is kept
//! as it is and never mistaken for one that is known: who meets a [`Phase::Other`] leaves the change to those who began it.

use serde::{Deserialize, Serialize};

/// How far a change of master has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Phase {
    /// Recorded by the node that will be master, before its Redis answered for the first time.
    Claimed,
    /// Recorded by the failover procedure before it promotes this node. Whoever finds it with the failover lock free finishes it.
    Promoting,
    /// The master answered with its role.
    Settled,
    /// A newer version's word. Only its authors know what is going on: the record counts, but nobody else completes it.
    Other(String),
}

/// Why a master was recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Cause {
    /// Nobody was master before.
    FirstStart,
    /// The recorded master was gone and nobody disagreed.
    TakeOver,
    /// A returning master found others with data, and the best of them was promoted.
    PromotedMember,
    /// A Sentinel failover.
    Failover,
    /// The master's process died under its wrapper's eyes.
    Died,
    /// Nobody listened at the master's address any more, and the Sentinels had lost it too.
    Refused,
    /// The master could not be reached by anyone, and its lease was over.
    LeaseOver,
    /// The master handed its role over before it stopped, or because an operator asked.
    Handover,
    /// The record was missing or wrong, and was put right.
    Repair,
    /// A newer version's word. Nobody concludes from it that the master before was dead.
    Other(String),
}

impl Phase {
    /// Every word that is known.
    const KNOWN: [Self; 3] = [Self::Claimed, Self::Promoting, Self::Settled];

    /// The word in the state and in logs.
    pub fn word(&self) -> &str {
        match self {
            Self::Claimed => "claimed",
            Self::Promoting => "promoting",
            Self::Settled => "settled",
            Self::Other(word) => word,
        }
    }
}

impl Cause {
    /// Every word that is known.
    const KNOWN: [Self; 9] = [
        Self::FirstStart,
        Self::TakeOver,
        Self::PromotedMember,
        Self::Failover,
        Self::Died,
        Self::Refused,
        Self::LeaseOver,
        Self::Handover,
        Self::Repair,
    ];

    /// The word in the state, in metrics and in logs.
    pub fn word(&self) -> &str {
        match self {
            Self::FirstStart => "first-start",
            Self::TakeOver => "take-over",
            Self::PromotedMember => "promoted-member",
            Self::Failover => "failover",
            Self::Died => "died",
            Self::Refused => "refused",
            Self::LeaseOver => "lease-over",
            Self::Handover => "handover",
            Self::Repair => "repair",
            Self::Other(word) => word,
        }
    }
}

impl From<String> for Phase {
    fn from(word: String) -> Self {
        let known = Self::KNOWN.into_iter().find(|known| known.word() == word);
        known.unwrap_or(Self::Other(word))
    }
}

impl From<Phase> for String {
    fn from(phase: Phase) -> Self {
        phase.word().to_owned()
    }
}

impl From<String> for Cause {
    fn from(word: String) -> Self {
        let known = Self::KNOWN.into_iter().find(|known| known.word() == word);
        known.unwrap_or(Self::Other(word))
    }
}

impl From<Cause> for String {
    fn from(cause: Cause) -> Self {
        cause.word().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_comes_back_as_itself() {
        for (text, phase) in [
            ("claimed", Phase::Claimed),
            ("promoting", Phase::Promoting),
            ("settled", Phase::Settled),
            ("Settled", Phase::Other("Settled".to_owned())),
            ("", Phase::Other(String::new())),
        ] {
            assert_eq!(Phase::from(text.to_owned()), phase);
            assert_eq!(String::from(phase), text);
        }
        for known in Cause::KNOWN {
            assert_eq!(Cause::from(String::from(known.clone())), known);
        }
        assert_eq!(
            Cause::from("eclipse".to_owned()),
            Cause::Other("eclipse".to_owned())
        );
    }
}
