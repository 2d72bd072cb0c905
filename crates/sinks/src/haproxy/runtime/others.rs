//! Whose slot it is that somebody else has moved. Pure.
//!
//! Two watchers may speak to one HAProxy, and one of them may be cut off and show an old master. If each put right at once what the
//! other did, the slot would go to and fro, with every client cut each time. So what we had put right as of an epoch, and is open at
//! another address now, is left for a while, and for as long as we ourselves are not sure. What is shut nobody uses, and a HAProxy that
//! was started anew has its slots as the configuration says: both are filled at once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use topology::{Epoch, MasterName};

use super::decide::{Decision, Pool, Slot, Step, name};
use super::slots::ServerName;
use super::state::{Server, State};
use crate::picture::{Assurance, Picture};

/// So long what somebody else did is left.
const RESPITE: Duration = Duration::from_secs(2);
/// With the loopback address this is no server: what a slot has that was never filled.
const UNFILLED: u16 = 1;

/// The slots as we last had them right.
#[derive(Debug, Default)]
pub(super) struct Ours(BTreeMap<ServerName, Had>);

#[derive(Debug)]
struct Had {
    epoch: Epoch,
    /// None: shut.
    at: Option<SocketAddr>,
    /// When it was first seen open at another address.
    moved: Option<Instant>,
}

impl Ours {
    /// Takes those steps out of the decision that would undo what somebody else did a moment ago, and remarks on it. Returns which
    /// servers are left so.
    pub(super) fn restrain(
        &mut self,
        decision: &mut Decision,
        state: &State,
        picture: &Picture,
        now: Instant,
    ) -> Vec<ServerName> {
        let mut left = Vec::new();
        let mut remarks = Vec::new();
        decision.steps.retain(|step| {
            let Some(remark) = self.leave(step, state, picture, now) else {
                return true;
            };
            remarks.push(remark);
            left.push(step.server.clone());
            false
        });
        decision.remarks.extend(remarks);
        left
    }

    /// Why it is left as it is, if it is.
    fn leave(&mut self, step: &Step, state: &State, picture: &Picture, now: Instant) -> Option<String> {
        let group = picture.groups.get(&step.group)?;
        let server = state.servers.iter().find(|server| name(server) == step.server)?;
        let open = open_at(server)?;
        let had = self.0.get_mut(&step.server)?;
        if had.epoch != group.master.epoch || had.at == Some(open) {
            had.moved = None;
            return None;
        }
        let since = *had.moved.get_or_insert(now);
        let what = format!("somebody else has moved {} to {open}", step.server);
        match group.assurance {
            Assurance::Doubtful => Some(format!(
                "{what}; it is left so until it is certain again who is master"
            )),
            Assurance::Current if now.saturating_duration_since(since) < RESPITE => Some(format!(
                "{what}; it is taken back if it is still so after {} s",
                RESPITE.as_secs()
            )),
            Assurance::Current => None,
        }
    }

    /// Remembers what is right now: every slot but those in `left` and those that are still to be changed.
    pub(super) fn remember(
        &mut self,
        state: &State,
        slots: &[Slot],
        pools: &[Pool],
        picture: &Picture,
        not: &[ServerName],
    ) {
        self.0.retain(|server, _| owner(server, slots, pools).is_some());
        for server in &state.servers {
            let own = name(server);
            let group = owner(&own, slots, pools).and_then(|name| picture.groups.get(name));
            let Some(group) = group.filter(|_| !not.contains(&own)) else {
                continue;
            };
            let had = Had {
                epoch: group.master.epoch,
                at: open_at(server),
                moved: None,
            };
            self.0.insert(own, had);
        }
    }
}

/// Where clients are sent; none while it is shut, or was never filled.
fn open_at(server: &Server) -> Option<SocketAddr> {
    server
        .addr
        .filter(|addr| server.admin.is_ready() && !(addr.ip().is_loopback() && addr.port() == UNFILLED))
}

fn owner<'a>(server: &ServerName, slots: &'a [Slot], pools: &'a [Pool]) -> Option<&'a MasterName> {
    let slot = slots.iter().find(|slot| slot.server == *server);
    let pool = pools.iter().find(|pool| pool.backend == server.backend);
    slot.map(|slot| &slot.group).or(pool.map(|pool| &pool.group))
}

#[cfg(test)]
mod tests;
