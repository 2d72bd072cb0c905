//! The old master is started again on its old port with its old data, and is offered writes from the first moment: were it a
//! second master even for a moment, it would accept one.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use testkit::{RedisClient, RedisNode, ask};
use topology::{Addr, LinkStatus, Role};

use super::facts::{ChangeFacts, ComebackFacts};
use super::failover::{self, PACE};
use super::observers::{Observation, Seen, What};
use super::screen::{Screen, Waiting};
use super::servers::{Started, until_settled};
use super::timeline::words;
use super::view::View;

const DEADLINE: Duration = Duration::from_secs(30);
const BETWEEN_OFFERS: Duration = Duration::from_millis(2);

/// What became of the writes that were offered to the old master.
#[derive(Debug, Default)]
struct Offers {
    not_listening: usize,
    loading: usize,
    read_only: usize,
    /// Any other refusal.
    refused: usize,
    accepted: usize,
}

pub(super) async fn show(
    screen: &Screen,
    started: &Started<'_>,
    gone: &ChangeFacts,
) -> anyhow::Result<(ComebackFacts, View)> {
    let old = node(started, &gone.old_master)?;
    screen.heading(&format!(
        "The old master {} comes back. Writes are offered to it from the first moment.",
        old.addr()
    ));
    let writer = started.group.writer().pace(PACE).start();
    let mut observation = failover::observe(screen, started, &writer).await?;

    let start = Instant::now();
    old.program().restart();
    screen.moment(
        Duration::ZERO,
        &format!("redis-wrapper starts, pid {}", old.program().pid()),
    );
    let offers = RefCell::new(Offers::default());
    let mut replica = None;
    let waiting = Waiting::since(start, Duration::from_secs(1), "the old master starts");
    let acts = async {
        tokio::select! {
            view = until_settled(started.group, &waiting) => view,
            () = offer_for_ever(old, &offers) => unreachable!("for ever"),
            () = tell(screen, &mut observation, start, old.addr(), &mut replica) => unreachable!("for ever"),
        }
    };
    let view = tokio::time::timeout(DEADLINE, screen.during(&waiting, acts)).await;
    screen.clear();
    let Ok(view) = view else {
        bail!("after {DEADLINE:?}: {}", waiting.text());
    };
    let settled = start.elapsed();
    drop(observation);

    let offers = offers.into_inner();
    let longest_pause = writer.stop().longest_gap().map(|gap| gap.length());
    let longest_pause = longest_pause.context("the client could not write meanwhile")?;
    screen.moment(settled, "everything agrees again");
    screen.line(&format!("\n  {}", offers.words()));
    screen.line(&format!(
        "  Writes to the new master went on; the longest pause was {} ms.",
        longest_pause.as_millis()
    ));
    ensure!(
        offers.accepted == 0,
        "the old master accepted {} writes",
        offers.accepted
    );
    ensure!(
        offers.read_only > 0,
        "the old master was never asked while it was a replica"
    );
    let facts = ComebackFacts {
        replica,
        settled,
        writes_offered: offers.all(),
        writes_accepted: offers.accepted,
        longest_pause,
    };
    Ok((facts, view))
}

fn node<'a>(started: &Started<'a>, addr: &Addr) -> anyhow::Result<&'a RedisNode> {
    let mut nodes = started.group.all_redis().iter();
    nodes
        .find(|node| node.addr() == addr)
        .context("the old master is not one of ours")
}

async fn tell(
    screen: &Screen,
    observation: &mut Observation<'_>,
    start: Instant,
    old: &Addr,
    replica: &mut Option<Duration>,
) {
    loop {
        let seen = observation.next().await;
        let after = seen.at.saturating_duration_since(start);
        if is_link_up(&seen, old) {
            replica.get_or_insert(after);
        }
        if let Some(words) = words(&seen.what) {
            screen.moment(after, &words);
        }
    }
}

fn is_link_up(seen: &Seen, old: &Addr) -> bool {
    matches!(
        &seen.what,
        What::Role { of, says: Some((Role::Replica { .. }, Some(LinkStatus::Up))) } if of == old
    )
}

async fn offer_for_ever(old: &RedisClient, offers: &RefCell<Offers>) {
    loop {
        let answer = ask(old.addr(), None, &["SET", "demo:offered", "1"]).await;
        offers.borrow_mut().take(match &answer {
            Ok(_) => None,
            Err(error) => Some(error.code().unwrap_or_default()),
        });
        tokio::time::sleep(BETWEEN_OFFERS).await;
    }
}

impl Offers {
    /// Counts an answer: `None` when the write was accepted, else the error's code, empty where there was no answer.
    fn take(&mut self, refusal: Option<&str>) {
        let count = match refusal {
            None => &mut self.accepted,
            Some("") => &mut self.not_listening,
            Some("LOADING") => &mut self.loading,
            Some("READONLY") => &mut self.read_only,
            Some(_) => &mut self.refused,
        };
        *count += 1;
    }

    fn all(&self) -> usize {
        self.not_listening + self.loading + self.read_only + self.refused + self.accepted
    }

    fn words(&self) -> String {
        let counts = [
            (self.not_listening, "found nobody listening"),
            (self.loading, "were answered LOADING"),
            (self.read_only, "were answered READONLY"),
            (self.refused, "were refused otherwise"),
        ];
        let said: Vec<String> = counts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        format!(
            "Of {} writes offered to it, {}, {} were accepted.",
            self.all(),
            said.join(", "),
            self.accepted
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offer_is_counted_once() {
        let mut offers = Offers::default();
        for refusal in [
            Some(""),
            Some("READONLY"),
            Some("READONLY"),
            Some("MASTERDOWN"),
            None,
        ] {
            offers.take(refusal);
        }
        assert_eq!(
            offers.words(),
            "Of 5 writes offered to it, 1 found nobody listening, 2 were answered READONLY, 1 were refused otherwise, \
             1 were accepted."
        );
    }
}
