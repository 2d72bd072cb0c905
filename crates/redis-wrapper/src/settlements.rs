//! How often the record was completed, and what a person must hear when it does not stay complete.

use std::collections::VecDeque;

use tokio::time::Instant;
use topology::Addr;
use tracing::{error, warn};
use zkpaths::Member;

use crate::keep::{Keep, Record, SETTLEMENTS, SETTLING, WhyNothing, owner};

/// What is remembered of it.
#[derive(Default)]
pub(crate) struct Settlements {
    at: VecDeque<Instant>,
    told: Option<WhyNothing>,
}

impl Settlements {
    /// The record was completed now.
    pub(crate) fn note(&mut self) {
        self.at.push_back(Instant::now());
        if self.at.len() > SETTLEMENTS {
            self.at.pop_front();
        }
    }

    /// How many of them count.
    pub(crate) fn lately(&self) -> usize {
        self.at.iter().filter(|at| at.elapsed() < SETTLING).count()
    }

    /// Says it once, until it is over.
    pub(crate) fn tell(&mut self, decided: &Keep, me: &Addr, record: &Record, namesakes: Option<&[Member]>) {
        let why = match decided {
            Keep::Nothing(why @ (WhyNothing::AddressShared | WhyNothing::SettledTooOften)) => *why,
            // Says nothing about it either way.
            Keep::Nothing(WhyNothing::MembersUnknown | WhyNothing::RecordUnknown) => return,
            Keep::Nothing(
                WhyNothing::Agreed
                | WhyNothing::Empty
                | WhyNothing::WentBack
                | WhyNothing::NotConfirmed
                | WhyNothing::SentinelsSilent
                | WhyNothing::SentinelsAreAhead
                | WhyNothing::Patience,
            )
            | Keep::Settle
            | Keep::Restore
            | Keep::Follow { .. } => {
                self.told = None;
                return;
            }
        };
        if self.told.replace(why) == Some(why) {
            return;
        }
        let by = match record {
            Record::Named(state) => owner(namesakes.unwrap_or_default(), state),
            Record::Unknown | Record::Empty => None,
        };
        match by {
            Some(by) => {
                error!(addr = %me, member = %by.id, run_id = %by.run_id, "another node has the address that we announce, and is the recorded master; what is written to this one is lost: stop one of them, and give each node an ANNOUNCE_IP and ANNOUNCE_PORT that lead to it alone");
            }
            None => {
                warn!(addr = %me, times = SETTLEMENTS, within_s = SETTLING.as_secs(), "the record was completed again and again and does not stay so; somebody else changes it");
            }
        }
    }
}
