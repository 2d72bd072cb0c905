//! A registered service, and whether it is the one that should be there. Pure.

use std::collections::{BTreeMap, BTreeSet};

use topology::Addr;

use crate::picture::Group;
use crate::sink::SinkError;

/// Holds the epoch of what is registered.
pub(super) const EPOCH: &str = "redis-zk-epoch";

/// What is registered now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) service: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tags: BTreeSet<String>,
    pub(super) meta: BTreeMap<String, String>,
    /// The node's address, where that counts.
    pub(super) node: Option<String>,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is right.
    Leave,
    /// It is missing, other, or older.
    Write,
    /// It is newer than what we know.
    Newer {
        /// As of which epoch.
        epoch: u64,
    },
}

pub(super) fn weigh(found: Option<&Found>, wanted: &Found) -> Verdict {
    let Some(found) = found else { return Verdict::Write };
    let epoch = |of: &Found| of.meta.get(EPOCH).and_then(|epoch| epoch.parse::<u64>().ok());
    match (epoch(found), epoch(wanted)) {
        (Some(theirs), Some(ours)) if theirs > ours => Verdict::Newer { epoch: theirs },
        _ if found == wanted => Verdict::Leave,
        _ => Verdict::Write,
    }
}

/// A newer one is there, which we leave alone.
pub(super) fn newer(what: String, group: &Group, epoch: u64, found: &str) -> SinkError {
    SinkError::NotConfirmed {
        what,
        wanted: at_epoch(&group.master.addr.to_string(), group.master.epoch.0),
        found: format!(
            "{}, which is newer and left alone (remove it by hand if {} was made anew)",
            at_epoch(found, epoch),
            group.name
        ),
    }
}

/// It was written, and something else is there.
pub(super) fn other(what: String, group: &Group, found: Option<&Found>) -> SinkError {
    let found = found.map_or_else(
        || "nothing".to_owned(),
        |found| {
            Addr::new(&found.host, found.port).map_or_else(|_| found.host.clone(), |addr| addr.to_string())
        },
    );
    SinkError::NotConfirmed {
        what,
        wanted: at_epoch(&group.master.addr.to_string(), group.master.epoch.0),
        found,
    }
}

fn at_epoch(addr: &str, epoch: u64) -> String {
    format!("{addr} of epoch {epoch}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(host: &str, epoch: Option<u64>) -> Found {
        Found {
            service: "sessions".to_owned(),
            host: host.to_owned(),
            port: 6379,
            tags: BTreeSet::from(["redis".to_owned()]),
            meta: epoch
                .map(|epoch| (EPOCH.to_owned(), epoch.to_string()))
                .into_iter()
                .collect(),
            node: None,
        }
    }

    #[test]
    fn only_a_newer_one_is_left_alone() {
        let wanted = entry("10.0.0.1", Some(5));
        let table = [
            (None, Verdict::Write),
            (Some(wanted.clone()), Verdict::Leave),
            (Some(entry("10.0.0.2", Some(6))), Verdict::Newer { epoch: 6 }),
            (Some(entry("10.0.0.1", Some(6))), Verdict::Newer { epoch: 6 }),
            (Some(entry("10.0.0.2", Some(5))), Verdict::Write),
            (Some(entry("10.0.0.1", Some(4))), Verdict::Write),
            // What redishappy, or a person, registered.
            (Some(entry("10.0.0.1", None)), Verdict::Write),
        ];
        for (found, verdict) in table {
            assert_eq!(weigh(found.as_ref(), &wanted), verdict, "{found:?}");
        }
    }
}
