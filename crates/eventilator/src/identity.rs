//! Which event of the world a call tells of: the same answer for every Sentinel that tells it, and for a call that is repeated.
//!
//! The arguments of Sentinel's scripts carry no epoch, so the Sentinel that called was asked for it ([`Seen`]), and what is known of
//! the group is kept in a [`Book`]. Judging is pure, and judging a report again gives the same identity. The rules and their reasons are
//! in docs/decisions/0012-event-relay.md. Where two readings are possible, the one that may tell twice is taken, not the one that may lose.

use jiff::Timestamp;
use topology::Addr;

use crate::event::{Content, Instance, Kind, Notice};
use crate::message::Call;

mod book;

pub use book::Book;
use book::Count;
pub(crate) use book::{Known, Moment};

/// The name of the book of events that belong to no group.
pub const NO_GROUP: &str = "-";

/// One call, as it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// What was said.
    pub call: &'a Call,
    /// When.
    pub at: Timestamp,
    /// By whom: a Sentinel's run id, or its address.
    pub sentinel: &'a str,
    /// What that Sentinel answered when it was asked.
    pub seen: Option<&'a Seen>,
}

/// What the Sentinel that called answered, a moment after the event.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Seen {
    /// The master that it gives to clients. Of one that leads a failover: the new one from the moment it is promoted.
    pub master: String,
    /// The config epoch in which that is so.
    pub epoch: u64,
    /// The epoch of its last vote for this group.
    pub vote: Option<u64>,
}

/// Which event it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Unique, and readable: `m1/e5/+odown/master/10.0.0.1:6379/1`.
    pub id: String,
    /// The config epoch of the reign it belongs to, where that is known.
    pub epoch: Option<u64>,
}

/// Finds out which event this is, and keeps in the group's book what that needs.
pub fn judge(book: &mut Book, report: &Report<'_>) -> Identity {
    match report.call {
        Call::Reconfiguration(moved) => switched(book, report, &moved.pod, &moved.to),
        Call::Notice(notice) => noticed(book, report, notice),
    }
}

fn noticed(book: &mut Book, report: &Report<'_>, notice: &Notice) -> Identity {
    match &notice.content {
        Content::Switch(switch) => switched(book, report, &switch.pod, &switch.to),
        Content::Instance(instance) => happened(book, report, notice, instance),
        // Which group's epoch it is nobody says; so it is this Sentinel's own.
        Content::Epoch(epoch) => Identity {
            id: format!("{NO_GROUP}/{}/{}/{epoch}", notice.event, report.sentinel),
            epoch: Some(*epoch),
        },
        Content::Vote { leader, epoch } => Identity {
            id: format!("{NO_GROUP}/{}/{}/{epoch}/{leader}", notice.event, report.sentinel),
            epoch: Some(*epoch),
        },
        Content::Text => {
            let what = format!("{}/{}", notice.event, notice.text);
            let n = book.count(&what, report, Count::Each);
            Identity {
                id: format!("{NO_GROUP}/{what}/{n}"),
                epoch: None,
            }
        }
    }
}

/// A reign begins: once.
fn switched(book: &mut Book, report: &Report<'_>, pod: &str, to: &Addr) -> Identity {
    let (label, epoch) = book.reign(to, known(report.seen, to), Moment::Begins, report.at);
    Identity {
        id: format!(
            "{pod}/{}",
            once(book, report, &format!("{label}/{}/{to}", report.call.event()))
        ),
        epoch,
    }
}

/// What happens once in a reign, with a number if that epoch comes again (the group was made anew).
fn once(book: &mut Book, report: &Report<'_>, what: &str) -> String {
    match book.count(what, report, Count::Once) {
        0 | 1 => what.to_owned(),
        n => format!("{what}/{n}"),
    }
}

/// Something about an instance, in the reign of its group's master.
fn happened(book: &mut Book, report: &Report<'_>, notice: &Notice, instance: &Instance) -> Identity {
    let event = notice.event.as_str();
    let known = known(report.seen, &instance.master);
    let (label, epoch) = book.reign(&instance.master, known, Moment::Lasts, report.at);
    let pod = &instance.pod;
    let identity = |rest: String| Identity {
        id: format!("{pod}/{label}/{event}/{rest}"),
        epoch,
    };
    let it = format!("{}/{}", instance.kind.word(), instance.addr);
    match event {
        // The end of this reign, as the leader and as the others see it.
        "+config-update-from"
        | "+promoted-slave"
        | "+failover-state-reconf-slaves"
        | "+failover-end"
        | "+failover-end-for-timeout" => Identity {
            id: format!(
                "{pod}/{}",
                once(book, report, &format!("{label}/{event}/{}", instance.master))
            ),
            epoch,
        },
        // Before the vote.
        "+try-failover" => {
            let n = book.count(
                &format!("{label}/{event}/{}", report.sentinel),
                report,
                Count::Each,
            );
            identity(format!("{}/{n}", report.sentinel))
        }
        "+elected-leader"
        | "+failover-state-select-slave"
        | "+selected-slave"
        | "-failover-abort-not-elected"
        | "-failover-abort-no-good-slave"
        | "-failover-abort-slave-timeout" => attempt(book, report, &identity, &format!("{event}/{it}")),
        "+sdown" | "-sdown" | "+odown" | "-odown" => {
            let (family, turn) = event.split_at(1);
            let (family, turn) = (turn, if family == "+" { Count::Comes } else { Count::Goes });
            let n = book.count(&format!("{label}/{family}/{it}"), report, turn);
            identity(format!("{it}/{n}"))
        }
        _ => {
            let n = book.count(&format!("{label}/{event}/{}", notice.text), report, Count::Each);
            if event == "+monitor" && instance.kind == Kind::Master {
                // It begins anew, and has forgotten whom it held for down.
                book.forget_opinions(report.sentinel);
            }
            identity(format!("{}/{n}", notice.text))
        }
    }
}

/// What only the Sentinel tells that tries to fail over: one event for each vote it holds.
fn attempt(
    book: &mut Book,
    report: &Report<'_>,
    identity: &dyn Fn(String) -> Identity,
    what: &str,
) -> Identity {
    let by = report.sentinel;
    let voted = report.seen.and_then(|seen| seen.vote).filter(|vote| *vote > 0);
    if let Some(vote) = voted {
        return identity(format!("{by}/v{vote}"));
    }
    let n = book.count(&format!("{what}/{by}"), report, Count::Each);
    identity(format!("{by}/{n}"))
}

fn known(seen: Option<&Seen>, subject: &Addr) -> Known {
    match seen {
        None => Known::Nothing,
        Some(seen) if seen.master == subject.to_string() => Known::Exactly(seen.epoch),
        Some(seen) => Known::Before(seen.epoch),
    }
}

#[cfg(test)]
mod tests;
