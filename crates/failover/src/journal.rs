//! What is kept of a failover: one line in the log, one entry under `/redis/history`.

use registry::Registry;
use topology::{Addr, Exclusion};
use tracing::warn;
use zkpaths::{Considered, Failover};

use crate::View;
use crate::choose::{Choice, word};

/// How many failovers are remembered.
const KEPT: usize = 100;

/// Every node that was looked at, with what was thought of it.
pub(crate) fn considered(view: &View, choice: &Choice, replaces: &Addr) -> Vec<Considered> {
    let chosen = &choice.candidate;
    let mut entries = vec![Considered {
        addr: chosen.addr.clone(),
        offset: Some(chosen.offset),
        verdict: "chosen".to_owned(),
    }];
    for other in &choice.behind {
        let verdict = if other.priority > chosen.priority {
            format!("priority {} after {}", other.priority, chosen.priority)
        } else if other.offset < chosen.offset {
            format!("{} bytes behind", chosen.offset - other.offset)
        } else if other.offset > chosen.offset {
            "did not become master".to_owned()
        } else {
            "equal; its run id is larger".to_owned()
        };
        entries.push(Considered {
            addr: other.addr.clone(),
            offset: Some(other.offset),
            verdict,
        });
    }
    for (other, why) in &choice.excluded {
        let why: Exclusion = *why;
        entries.push(Considered {
            addr: other.addr.clone(),
            offset: Some(other.offset),
            verdict: word(why).to_owned(),
        });
    }
    let silent = view
        .nodes
        .keys()
        .filter(|addr| *addr != replaces && view.snapshot(addr).is_none());
    entries.extend(silent.map(|addr| Considered {
        addr: addr.clone(),
        offset: None,
        verdict: "did not answer".to_owned(),
    }));
    entries
}

/// Writes the entry. A lost one is a pity, not an error: the role has moved.
pub(crate) async fn write(registry: &Registry, entry: &Failover) {
    let parent = registry.tree().history();
    if let Err(error) = registry.append(&parent, &entry.encode(), KEPT).await {
        warn!(reason = %error, "the failover is not in the history");
    }
}
