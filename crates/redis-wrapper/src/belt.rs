//! The belt for a wrapper that stands still and cannot fence: a master without a replica that acknowledges refuses writes.
//!
//! Worn only while two replicas or more are in step, as a group of two would stop with its replica. Pure: [`belt`] decides, `tend`
//! sets it. Where the user's configuration sets `min-replicas-to-write` itself, it is the user's.

use std::collections::BTreeMap;

use topology::{Addr, LinkStatus, Role};
use zkpaths::Member;

/// The settings of Redis that make the belt, in the order in which they are set. The lag has room for one acknowledgement a second.
pub const BELT: [(&str, &str); 2] = [("min-replicas-max-lag", "2"), ("min-replicas-to-write", "1")];
/// How many replicas must be in step.
const REPLICAS: usize = 2;

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Belt {
    /// Nothing: it is as it should be, or not ours to set.
    Leave,
    /// Put it on.
    PutOn,
    /// Take it off: give back the values from before.
    TakeOff,
}

/// Whose the setting is, and how it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worn {
    /// The user sets it.
    NotOurs,
    /// It is on.
    On,
    /// It is off.
    Off,
}

/// Decides, from what our Redis is and how many replicas are in step with it.
pub fn belt(role: &Role, in_step: usize, worn: Worn) -> Belt {
    let wanted = match role {
        Role::Master => in_step >= REPLICAS,
        // Whoever is promoted next must take writes before its first replica has come.
        Role::Replica { .. } => false,
    };
    match (worn, wanted) {
        (Worn::NotOurs, _) | (Worn::On, true) | (Worn::Off, false) => Belt::Leave,
        (Worn::Off, true) => Belt::PutOn,
        (Worn::On, false) => Belt::TakeOff,
    }
}

/// How many of the registered members are in step with `me`.
pub fn in_step(members: &BTreeMap<String, Vec<u8>>, me: &Addr) -> usize {
    let of_me = Role::Replica { of: me.clone() };
    let decoded = members.values().filter_map(|data| Member::decode(data).ok());
    decoded
        .filter(|member| member.role == of_me && member.link == Some(LinkStatus::Up))
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_worn_by_a_master_with_two_replicas_in_step() {
        let replica = Role::Replica {
            of: "10.0.0.1:1".parse().unwrap(),
        };
        for (role, in_step, worn, expected) in [
            (&Role::Master, 2, Worn::Off, Belt::PutOn),
            (&Role::Master, 5, Worn::On, Belt::Leave),
            (&Role::Master, 1, Worn::On, Belt::TakeOff),
            (&Role::Master, 1, Worn::Off, Belt::Leave),
            (&Role::Master, 2, Worn::NotOurs, Belt::Leave),
            (&Role::Master, 0, Worn::NotOurs, Belt::Leave),
            (&replica, 2, Worn::On, Belt::TakeOff),
            (&replica, 2, Worn::Off, Belt::Leave),
        ] {
            assert_eq!(belt(role, in_step, worn), expected, "{role:?} {in_step} {worn:?}");
        }
    }
}
