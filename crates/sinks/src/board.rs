//! The one place where the picture changes. It never goes back: an older epoch than the one shown is refused, whoever offers it.

use std::sync::Arc;

use tokio::sync::watch;
use topology::{Epoch, MasterName};

use crate::picture::{Group, Origin, Picture};

/// Shows a picture to any number of sinks. Clones show the same one.
#[derive(Debug, Clone)]
pub struct Board {
    picture: Arc<watch::Sender<Arc<Picture>>>,
}

/// What came of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Offer {
    /// It is shown now: another master, or a new epoch.
    Moved,
    /// It is shown now: the same master; its replicas, or how sure it is, are others.
    Refreshed,
    /// It is what was shown already.
    Known,
    /// A newer epoch is shown, or another master of the same one; nothing changed.
    Older {
        /// The epoch that is shown.
        shown: Epoch,
    },
}

impl Board {
    /// A board that waits for these groups.
    pub fn new(awaited: Vec<MasterName>) -> Self {
        let picture = Picture {
            groups: std::collections::BTreeMap::new(),
            awaited,
        };
        Self {
            picture: Arc::new(watch::Sender::new(Arc::new(picture))),
        }
    }

    /// Shows this group, unless something newer is shown.
    pub fn offer(&self, mut group: Group) -> Offer {
        let mut offer = Offer::Known;
        self.picture.send_if_modified(|picture| {
            offer = weigh(picture.groups.get(&group.name), &group);
            let news = matches!(offer, Offer::Moved | Offer::Refreshed);
            if news {
                if let Some(shown) = picture.groups.get(&group.name)
                    && offer == Offer::Refreshed
                {
                    group.master.seen = shown.master.seen;
                }
                let mut next = Picture::clone(picture);
                next.awaited.retain(|name| *name != group.name);
                next.groups.insert(group.name.clone(), group);
                *picture = Arc::new(next);
            }
            news
        });
        offer
    }

    /// What is shown, now and from now on.
    pub fn pictures(&self) -> watch::Receiver<Arc<Picture>> {
        self.picture.subscribe()
    }
}

fn weigh(shown: Option<&Group>, offered: &Group) -> Offer {
    let Some(shown) = shown else { return Offer::Moved };
    let older = Offer::Older {
        shown: shown.master.epoch,
    };
    if offered.master.epoch < shown.master.epoch {
        return older;
    }
    if offered.master.epoch == shown.master.epoch && offered.master.addr != shown.master.addr {
        return match (shown.master.origin, offered.master.origin) {
            (Origin::Announced, Origin::Recorded) => Offer::Moved,
            (Origin::Recorded, _) | (Origin::Announced, Origin::Announced) => older,
        };
    }
    if offered.master.epoch > shown.master.epoch {
        return Offer::Moved;
    }
    let same = shown.replicas == offered.replicas
        && shown.external_port == offered.external_port
        && shown.assurance == offered.assurance
        && (shown.master.origin == offered.master.origin || offered.master.origin == Origin::Announced);
    // A new process at the same address and epoch is told as well: its connections are new ones.
    let process = shown.master.run_id == offered.master.run_id || offered.master.run_id.is_none();
    match (same, process) {
        (true, true) => Offer::Known,
        (false, true) => Offer::Refreshed,
        (_, false) => Offer::Moved,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Instant;

    use proptest::prelude::*;
    use topology::{Addr, RunId};

    use super::*;
    use crate::picture::{Assurance, Master};

    fn group(epoch: u64, port: u16) -> Group {
        Group {
            name: "sessions".parse().expect("a name"),
            external_port: None,
            assurance: Assurance::Current,
            master: Master {
                addr: Addr::new("10.0.0.1", port).expect("an address"),
                epoch: Epoch(epoch),
                run_id: None,
                cause: "failover".to_owned(),
                since_ms: 0,
                origin: Origin::Recorded,
                seen: Instant::now(),
            },
            replicas: BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_newer_is_shown_and_what_is_older_is_not() {
        let board = Board::new(vec!["sessions".parse().expect("a name")]);
        let pictures = board.pictures();
        assert_eq!(board.offer(group(4, 1)), Offer::Moved);
        assert_eq!(board.offer(group(4, 1)), Offer::Known);
        let mut doubtful = group(4, 1);
        doubtful.assurance = Assurance::Doubtful;
        assert_eq!(board.offer(doubtful.clone()), Offer::Refreshed);
        assert_eq!(board.offer(doubtful), Offer::Known);
        assert_eq!(board.offer(group(4, 1)), Offer::Refreshed);
        assert_eq!(board.offer(group(3, 2)), Offer::Older { shown: Epoch(4) });
        assert_eq!(board.offer(group(4, 2)), Offer::Older { shown: Epoch(4) });
        assert_eq!(board.offer(group(5, 2)), Offer::Moved);
        let mut restarted = group(5, 2);
        restarted.master.run_id = Some(RunId::from_bytes([1; 20]));
        assert_eq!(board.offer(restarted), Offer::Moved);
        assert!(pictures.borrow().awaited.is_empty());
    }

    #[test]
    fn what_is_recorded_replaces_what_was_announced_for_its_epoch_and_nothing_else_does() {
        let board = Board::new(Vec::new());
        let announced = |epoch, port| {
            let mut group = group(epoch, port);
            group.master.origin = Origin::Announced;
            group
        };
        assert_eq!(board.offer(group(4, 1)), Offer::Moved);
        assert_eq!(board.offer(announced(5, 2)), Offer::Moved);
        assert_eq!(board.offer(announced(5, 3)), Offer::Older { shown: Epoch(5) });
        assert_eq!(board.offer(group(5, 3)), Offer::Moved);
        assert_eq!(board.offer(announced(5, 2)), Offer::Older { shown: Epoch(5) });
        assert_eq!(board.offer(group(5, 2)), Offer::Older { shown: Epoch(5) });
    }

    proptest! {
        #[test]
        fn the_shown_epoch_never_decreases(offers in prop::collection::vec((0u64..6, 1u16..4), 0..40)) {
            let board = Board::new(Vec::new());
            let mut shown: Option<(Epoch, Addr)> = None;
            for (epoch, port) in offers {
                let _ = board.offer(group(epoch, port));
                let picture = board.pictures().borrow().clone();
                let now = picture.groups.values().next().map(|group| (group.master.epoch, group.master.addr.clone()));
                if let (Some((before, old)), Some((after, new))) = (&shown, &now) {
                    prop_assert!(before <= after);
                    prop_assert!(before != after || old == new);
                }
                shown = now;
            }
        }
    }
}
