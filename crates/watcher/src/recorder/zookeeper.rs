//! The record itself: state, master and named master in one transaction that fails when any of them has changed since the
//! look it rests on.

use registry::{CommitError, Expected, Registry, Version, Write};
use zkpaths::{ZkPath, encode_master};

use super::Wrote;
use crate::desired::Desired;
use crate::observe::Look;
use crate::view::StateNode;

pub(super) async fn write(registry: &Registry, look: &Look, desired: &Desired) -> Result<Wrote, CommitError> {
    let (tree, recorded) = (registry.tree(), &look.view.recorded);
    let nodes = [
        (
            tree.state(),
            look.state,
            !is_recorded(&recorded.state, desired),
            desired.state.encode(),
        ),
        (
            tree.master(),
            look.master,
            !recorded.master.names(desired.addr()),
            encode_master(Some(desired.addr())),
        ),
        (
            tree.named_master(&look.view.group),
            look.named,
            !recorded.named.names(desired.addr()),
            encode_master(Some(desired.addr())),
        ),
    ];
    let mut writes = Vec::new();
    let mut missing = Vec::new();
    for (path, version, wrong, data) in nodes {
        match version {
            Some(version) => writes.push(step(path, version, wrong.then_some(data))),
            None => missing.push(path),
        }
    }
    if missing.is_empty() {
        registry.commit(&writes).await?;
        return Ok(Wrote::Done);
    }
    for path in &missing {
        registry.ensure(path).await.map_err(CommitError::Unavailable)?;
    }
    Ok(Wrote::Prepared)
}

fn is_recorded(state: &StateNode, desired: &Desired) -> bool {
    matches!(state, StateNode::Known(state) if **state == desired.state)
}

/// What is right already must at least still be so.
fn step(path: ZkPath, version: Version, data: Option<Vec<u8>>) -> Write {
    let expected = Expected::Version(version);
    match data {
        Some(data) => Write::Set { path, data, expected },
        None => Write::Check { path, expected },
    }
}
