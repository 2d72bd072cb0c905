//! The IP addresses of names: HAProxy takes no others over its socket.
//!
//! All addresses of a name count, so that a slot is not moved to and fro when a resolver answers in another order. What a name had is
//! used at once, and asked for anew behind that: a resolver that is slow, or that is the very thing that failed, holds up no failover. Only
//! a name that has no address yet is waited for.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use topology::Addr;

/// How long an answer, or that there was none, is not asked for again.
const FRESH: Duration = Duration::from_secs(5);

/// What names were resolved to.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: BTreeMap<Addr, Known>,
    /// One for each name that is being looked up.
    asking: JoinSet<(Addr, io::Result<Vec<SocketAddr>>)>,
}

#[derive(Debug)]
struct Known {
    /// What it was resolved to last.
    at: Vec<SocketAddr>,
    asked: Asked,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The answer is awaited.
    UnderWay,
    /// It was answered, or was not, and was asked for then.
    Last(Instant),
    Never,
}

impl Names {
    /// Has those of these that are names and not fresh looked up, all at once. Waits, no longer than `deadline`, for those alone that
    /// have no address and are asked for now. One that does not answer keeps what it had.
    pub(super) async fn resolve(&mut self, addrs: Vec<Addr>, deadline: Duration, now: Instant) {
        let named: Vec<Addr> = addrs.into_iter().filter(|addr| addr.ip().is_none()).collect();
        while let Some(answer) = self.asking.try_join_next() {
            self.note(answer.ok(), now);
        }
        // What is being looked up is kept until then, or it might be looked up twice at once.
        self.known
            .retain(|addr, known| known.asked == Asked::UnderWay || named.contains(addr));
        let mut awaited = Vec::new();
        for addr in named {
            let known = self.known.entry(addr.clone()).or_insert(Known {
                at: Vec::new(),
                asked: Asked::Never,
            });
            let due = match known.asked {
                Asked::UnderWay => false,
                Asked::Last(at) => now.saturating_duration_since(at) >= FRESH,
                Asked::Never => true,
            };
            if due {
                known.asked = Asked::UnderWay;
                if known.at.is_empty() {
                    awaited.push(addr.clone());
                }
                self.asking.spawn(async move {
                    let found = tokio::net::lookup_host((addr.host(), addr.port())).await;
                    (addr.clone(), found.map(Iterator::collect))
                });
            }
        }
        let all = async {
            while !awaited.is_empty() {
                let Some(answer) = self.asking.join_next().await else {
                    return;
                };
                let answered = self.note(answer.ok(), now);
                awaited.retain(|addr| Some(addr) != answered.as_ref());
            }
        };
        // What is not answered in time is there at one of the next looks.
        let _ = tokio::time::timeout(deadline, all).await;
    }

    /// Keeps an answer, and says to what name.
    fn note(&mut self, answer: Option<(Addr, io::Result<Vec<SocketAddr>>)>, now: Instant) -> Option<Addr> {
        let (addr, found) = answer?;
        if let Some(known) = self.known.get_mut(&addr) {
            known.asked = Asked::Last(now);
            if let Some(at) = found.ok().filter(|at| !at.is_empty()) {
                known.at = at;
            }
        }
        Some(addr)
    }

    /// Its IP addresses, of which the first is written; none for a name that was never resolved.
    pub(super) fn of(&self, addr: &Addr) -> Vec<SocketAddr> {
        match addr.socket() {
            Some(socket) => vec![socket],
            None => self
                .known
                .get(addr)
                .map(|known| known.at.clone())
                .unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn addresses_need_no_resolver_and_names_do() {
        let (mut names, now) = (Names::default(), Instant::now());
        let ip = Addr::new("10.0.0.1", 1).unwrap();
        let local = Addr::new("localhost", 2).unwrap();
        let none = Addr::new("no-such-host.invalid", 3).unwrap();
        let all = vec![ip.clone(), local.clone(), none.clone()];
        names.resolve(all, LONG, now).await;
        assert_eq!(names.of(&ip), ["10.0.0.1:1".parse::<SocketAddr>().unwrap()]);
        assert!(
            names
                .of(&local)
                .iter()
                .all(|at| at.ip().is_loopback() && at.port() == 2)
        );
        assert!(!names.of(&local).is_empty());
        assert!(names.of(&none).is_empty());
        // What is no longer asked for is forgotten.
        names.resolve(vec![ip], LONG, now).await;
        assert!(names.of(&local).is_empty());
    }

    #[tokio::test]
    async fn what_is_known_is_asked_for_again_behind_its_use() {
        let (mut names, now) = (Names::default(), Instant::now());
        let old: SocketAddr = "10.0.0.9:2".parse().unwrap();
        let local = Addr::new("localhost", 2).unwrap();
        names.known.insert(
            local.clone(),
            Known {
                at: vec![old],
                asked: Asked::Last(now),
            },
        );
        let ask = || vec![local.clone()];
        names.resolve(ask(), LONG, now + FRESH / 2).await;
        assert!(names.asking.is_empty(), "fresh");
        // Not fresh: the old one is used, one look-up is under way, and no second one.
        for _ in 0..2 {
            names.resolve(ask(), LONG, now + FRESH).await;
            assert_eq!((names.of(&local), names.asking.len()), (vec![old], 1));
        }
        // Nor where it was given up in between.
        names.resolve(Vec::new(), LONG, now + FRESH).await;
        names.resolve(ask(), LONG, now + FRESH * 3).await;
        assert!(names.asking.len() <= 1);
        testkit::eventually("the new one", LONG, async || {
            names.resolve(ask(), LONG, now + FRESH * 3).await;
            !names.of(&local).contains(&old)
        })
        .await;
    }

    #[tokio::test]
    async fn a_name_without_an_answer_is_asked_for_every_five_seconds() {
        let (mut names, now) = (Names::default(), Instant::now());
        let none = Addr::new("no-such-host.invalid", 3).unwrap();
        let ask = || vec![none.clone()];
        names.resolve(ask(), LONG, now).await;
        assert_eq!(names.known[&none].asked, Asked::Last(now));
        names.resolve(ask(), LONG, now + FRESH / 2).await;
        assert_eq!(names.known[&none].asked, Asked::Last(now));
        names.resolve(ask(), LONG, now + FRESH).await;
        assert_eq!(names.known[&none].asked, Asked::Last(now + FRESH));
    }
}
