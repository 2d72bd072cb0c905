//! Asking every Sentinel for its vote.

use std::time::Duration;

use instance::{InstanceError, Vote};
use topology::{Addr, Epoch, RunId};
use tracing::debug;

use crate::ask::gather;
use crate::tally::majority;
use crate::view::SentinelView;
use crate::{Links, View, Votes};

const VOTE_DEADLINE: Duration = Duration::from_millis(400);

/// An id to be voted for, new for each attempt: a vote for a dead predecessor is not one for us.
pub(crate) fn new_id() -> RunId {
    RunId::from_bytes(rand::random())
}

/// What an election came to.
pub(crate) struct Polled {
    pub(crate) votes: Votes,
    /// The Sentinels as they are once they have been asked. One of them may have been elected itself just before.
    pub(crate) sentinels: Vec<SentinelView>,
}

/// Holds one election. Each Sentinel is asked about the master that it holds for one, as it votes only for that.
pub(crate) async fn elect(links: &Links, view: &View, epoch: Epoch, id: &RunId) -> Polled {
    let needed = majority(view.known_sentinels(), view.quorum());
    let ask = view.reports().map(|(sentinel, report)| async move {
        match ask(links, view, sentinel, &report.record.addr, (epoch, id)).await {
            Ok(answer) => Some(answer),
            Err(error) => {
                debug!(sentinel = %sentinel.addr, reason = %error, "no vote");
                None
            }
        }
    });
    let answers: Vec<(Vote, SentinelView)> = gather(ask, needed, VOTE_DEADLINE).await;
    let granted = answers.iter().filter(|(vote, now)| {
        let ours = vote.leader.as_ref() == Some(id) && vote.epoch == epoch;
        if !ours {
            debug!(sentinel = %now.addr, ?vote, %epoch, "no vote for us");
        }
        ours
    });
    let votes = Votes {
        epoch,
        granted: granted.count(),
        age: Duration::ZERO,
    };
    let mut sentinels = view.sentinels.clone();
    for (_, now) in answers {
        if let Some(sentinel) = sentinels.iter_mut().find(|sentinel| sentinel.addr == now.addr) {
            *sentinel = now;
        }
    }
    Polled { votes, sentinels }
}

/// One Sentinel's vote, and what it says of the group afterwards: from then on no election that it held before can be won.
async fn ask(
    links: &Links,
    view: &View,
    sentinel: &SentinelView,
    master: &Addr,
    (epoch, id): (Epoch, &RunId),
) -> Result<(Vote, SentinelView), InstanceError> {
    let link = links.sentinel(&sentinel.addr).get().await?.within(VOTE_DEADLINE);
    let vote = link.vote(master, epoch, id).await?;
    let now = SentinelView {
        report: link.report(&view.name).await?,
        last_vote: vote.epoch,
        ..sentinel.clone()
    };
    Ok((vote, now))
}
