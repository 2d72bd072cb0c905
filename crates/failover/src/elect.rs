//! Asking every Sentinel for its vote.

use std::time::Duration;

use topology::{Epoch, RunId};
use tracing::debug;

use crate::ask::gather;
use crate::tally::majority;
use crate::{Links, View, Votes};

const VOTE_DEADLINE: Duration = Duration::from_millis(400);

/// An id to be voted for, new for each attempt: a vote for a dead predecessor is not one for us.
pub(crate) fn new_id() -> RunId {
    RunId::from_bytes(rand::random())
}

/// Holds one election. Each Sentinel is asked about the master that it holds for one, as it votes only for that.
pub(crate) async fn elect(links: &Links, view: &View, epoch: Epoch, id: &RunId) -> Votes {
    let needed = majority(view.known_sentinels(), view.quorum());
    let ask = view.reports().map(|(sentinel, report)| async move {
        let vote = async {
            let link = links.sentinel(&sentinel.addr).get().await?;
            link.within(VOTE_DEADLINE)
                .vote(&report.record.addr, epoch, id)
                .await
        };
        match vote.await {
            Ok(vote) if vote.leader.as_ref() == Some(id) && vote.epoch == epoch => Some(()),
            Ok(vote) => {
                debug!(sentinel = %sentinel.addr, ?vote, %epoch, "no vote for us");
                None
            }
            Err(error) => {
                debug!(sentinel = %sentinel.addr, reason = %error, "no vote");
                None
            }
        }
    });
    let granted = gather(ask, needed, VOTE_DEADLINE).await.len();
    Votes {
        epoch,
        granted,
        age: Duration::ZERO,
    }
}
