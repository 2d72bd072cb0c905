//! Which sink lacks which event, since when, and what came of trying.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};

use super::{Spool, SpoolError, Spooled, Telling};

/// Nothing is put off for longer; what seems to be was put off before the clock went back.
pub const LATEST: Duration = Duration::from_secs(15 * 60);

/// An event that a sink shall be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// The event.
    pub spooled: Spooled,
    /// Its identity, by the spool's own book.
    pub id: String,
    /// Its identity by the book that all Sentinels share, once that was asked.
    pub shared: Option<String>,
    /// The config epoch, where known.
    pub epoch: Option<u64>,
    /// So often it was tried in vain.
    pub tries: u32,
}

/// What came of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The sink has it.
    Delivered,
    /// The sink has it, and those that share the store do not know that.
    DeliveredAlone,
    /// It had it already: another call told the same.
    Repeated,
    /// Not now; again after this time.
    Failed {
        /// After so long.
        again: Duration,
        /// Why.
        reason: String,
    },
    /// Somebody else is at it; again after this time.
    Elsewhere {
        /// After so long.
        again: Duration,
    },
}

/// What is counted for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counter {
    /// Events dropped because they were too many or too old.
    Dropped,
    /// Events that could not be read.
    Unreadable,
}

impl Counter {
    /// Its name in the spool, in the status and in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Unreadable => "unreadable",
        }
    }
}

pub(super) fn add(tx: &Transaction<'_>, counter: Counter, n: u64) -> rusqlite::Result<()> {
    add_named(tx, counter.name(), n)
}

fn add_named(tx: &Transaction<'_>, name: &str, n: u64) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO counter (name, n) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET n = n + ?2",
    )?
    .execute(params![name, n.cast_signed()])
    .map(drop)
}

/// Events were dropped: so are their turns, and they are counted.
pub(super) fn forget_dropped(tx: &Transaction<'_>, dropped: u64) -> rusqlite::Result<()> {
    if dropped == 0 {
        return Ok(());
    }
    tx.execute("DELETE FROM turn WHERE seq NOT IN (SELECT seq FROM event)", [])?;
    tx.execute("DELETE FROM alone WHERE seq NOT IN (SELECT seq FROM event)", [])?;
    add(tx, Counter::Dropped, dropped)
}

/// An event that no sink lacks is gone.
pub(super) fn tidy_event(tx: &Transaction<'_>, seq: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM event WHERE seq = ?1 AND shared IS NOT NULL AND NOT EXISTS (SELECT 1 FROM turn WHERE seq = ?1) \
         AND NOT EXISTS (SELECT 1 FROM alone WHERE seq = ?1)")?
        .execute([seq])
        .map(drop)
}

impl Spool {
    /// What this sink shall be given next, of what is due. The oldest first, but one that fails does not stop the others.
    pub fn next_turn(&mut self, sink: &str, now: Timestamp) -> Result<Option<Turn>, SpoolError> {
        let found = self.read(|tx| {
            tx.prepare_cached(
                "SELECT event.seq, event.body, event.id, event.shared, event.epoch, turn.tries FROM turn \
                 JOIN event ON event.seq = turn.seq WHERE turn.sink = ?1 AND (turn.due <= ?2 OR turn.due > ?3) AND event.id IS NOT NULL \
                 ORDER BY turn.due, turn.seq LIMIT 1",
            )?
            .query_row(params![sink, now.as_millisecond(), later(now, LATEST)], turn)
            .optional()
        })?;
        match found {
            Some(Err(seq)) => self.forget_unreadable(seq).map(|()| None),
            Some(Ok(turn)) => Ok(Some(turn)),
            None => Ok(None),
        }
    }

    /// When this sink has something to do next.
    pub fn next_due(&mut self, sink: &str) -> Result<Option<Timestamp>, SpoolError> {
        self.read(|tx| {
            let due: Option<i64> = tx
                .prepare_cached("SELECT min(due) FROM turn WHERE sink = ?1")?
                .query_row([sink], |row| row.get(0))?;
            Ok(due.map(timestamp))
        })
    }

    /// Makes everything due, as a person asked who knows that a sink is back.
    pub fn all_due(&mut self) -> Result<(), SpoolError> {
        self.write("it cannot be written", |tx| {
            tx.execute("UPDATE turn SET due = 0", [])?;
            tx.execute("UPDATE standing SET due = 0", []).map(drop)
        })
    }

    /// A delivery that those that share the store do not know of: the event, its identity by the shared book if that is known, and the sink.
    pub fn alone(&mut self) -> Result<Option<(Spooled, Option<String>, String)>, SpoolError> {
        self.read(|tx| {
            let row: Option<(i64, String, Option<String>, String)> = tx
                .prepare_cached(
                    "SELECT event.seq, body, shared, sink FROM alone JOIN event ON event.seq = alone.seq ORDER BY event.seq LIMIT 1",
                )?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
                .optional()?;
            Ok(row.and_then(|(seq, body, shared, sink)| {
                let telling = Telling::from_json(&body)?;
                Some((Spooled { seq, telling }, shared, sink))
            }))
        })
    }

    /// They know it now.
    pub fn known(&mut self, seq: i64, sink: &str) -> Result<(), SpoolError> {
        self.write("it cannot be written", |tx| {
            tx.execute(
                "DELETE FROM alone WHERE seq = ?1 AND sink = ?2",
                params![seq, sink],
            )?;
            tidy_event(tx, seq)
        })
    }

    /// Notes that a delivery is tried. Nothing is sent before this is on disk: a disk without room must not send the same again and again.
    pub fn begin(&mut self, turn: &Turn, sink: &str) -> Result<(), SpoolError> {
        self.write("it cannot be written", |tx| {
            tx.prepare_cached("UPDATE turn SET tries = tries + 1 WHERE seq = ?1 AND sink = ?2")?
                .execute(params![turn.spooled.seq, sink])
                .map(drop)
        })
    }

    /// Whether this sink has the event of this identity.
    pub fn has(&mut self, id: &str, sink: &str) -> Result<bool, SpoolError> {
        self.read(|tx| {
            tx.prepare_cached("SELECT 1 FROM mark WHERE id = ?1 AND sink = ?2")?
                .exists(params![id, sink])
        })
    }

    /// Notes the identity by the shared book.
    pub fn share(&mut self, seq: i64, shared: &str, epoch: Option<u64>) -> Result<(), SpoolError> {
        self.write("it cannot be written", |tx| {
            tx.prepare_cached("UPDATE event SET shared = ?2, epoch = coalesce(?3, epoch) WHERE seq = ?1")?
                .execute(params![seq, shared, epoch.map(u64::cast_signed)])?;
            tidy_event(tx, seq)
        })
    }

    /// Notes what came of a turn.
    pub fn took(
        &mut self,
        turn: &Turn,
        sink: &str,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Result<(), SpoolError> {
        let (seq, at) = (turn.spooled.seq, now.as_millisecond());
        self.write("it cannot be written", |tx| match outcome {
            Outcome::Delivered | Outcome::DeliveredAlone | Outcome::Repeated => {
                tx.prepare_cached("INSERT OR IGNORE INTO mark (id, sink, at) VALUES (?1, ?2, ?3)")?
                    .execute(params![turn.id, sink, at])?;
                tx.prepare_cached("DELETE FROM turn WHERE seq = ?1 AND sink = ?2")?
                    .execute(params![seq, sink])?;
                if *outcome == Outcome::DeliveredAlone {
                    tx.prepare_cached("INSERT OR IGNORE INTO alone (seq, sink) SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM event WHERE seq = ?1)")?
                        .execute(params![seq, sink])?;
                }
                tidy_event(tx, seq)?;
                if *outcome == Outcome::Repeated {
                    return add_named(tx, &format!("repeated:{sink}"), 1);
                }
                add_named(tx, &format!("delivered:{sink}"), 1)?;
                recover(tx, sink, at)
            }
            Outcome::Failed { again, reason } => {
                let due = later(now, *again);
                put_off(tx, seq, sink, due)?;
                tx.prepare_cached(
                    "INSERT INTO standing (sink, failures, due, reason) VALUES (?1, 1, ?2, ?3) \
                     ON CONFLICT (sink) DO UPDATE SET failures = failures + 1, due = ?2, reason = ?3",
                )?
                .execute(params![sink, due, reason])
                .map(drop)
            }
            Outcome::Elsewhere { again } => put_off(tx, seq, sink, later(now, *again)),
        })
    }

    /// How often a sink failed in a row, and when it is tried again.
    pub fn rest(&mut self, sink: &str) -> Result<(u32, Option<Timestamp>), SpoolError> {
        self.read(|tx| {
            let row: Option<(u32, i64)> = tx
                .prepare_cached("SELECT failures, due FROM standing WHERE sink = ?1")?
                .query_row([sink], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            Ok(row.map_or((0, None), |(failures, due)| (failures, Some(timestamp(due)))))
        })
    }

    /// How many events each sink lacks that is not one of these.
    pub fn lacked_by_others(&mut self, sinks: &[&str]) -> Result<BTreeMap<String, u64>, SpoolError> {
        self.read(|tx| {
            let mut all = tx.prepare_cached("SELECT sink, count(*) FROM turn GROUP BY sink")?;
            let lacking = all.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut lacking: BTreeMap<String, u64> = lacking.collect::<rusqlite::Result<_>>()?;
            lacking.retain(|sink, _| !sinks.contains(&sink.as_str()));
            Ok(lacking)
        })
    }

    /// Whether there is anything to judge, or that one of these sinks lacks.
    pub fn anything_for(&mut self, sinks: &[&str]) -> Result<bool, SpoolError> {
        self.read(|tx| {
            if tx
                .prepare_cached("SELECT 1 FROM event WHERE id IS NULL")?
                .exists([])?
            {
                return Ok(true);
            }
            for sink in sinks {
                if tx
                    .prepare_cached("SELECT 1 FROM turn WHERE sink = ?1")?
                    .exists([sink])?
                {
                    return Ok(true);
                }
            }
            tx.prepare_cached("SELECT 1 FROM alone")?.exists([])
        })
    }

    /// How many events nobody looked at, and how many some sink lacks.
    pub fn waiting(&mut self) -> Result<(u64, u64), SpoolError> {
        self.read(|tx| {
            tx.query_row(
                "SELECT (SELECT count(*) FROM event WHERE id IS NULL), (SELECT count(DISTINCT seq) FROM turn)",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
        })
    }

    /// A counter.
    pub fn counter(&mut self, counter: Counter) -> Result<u64, SpoolError> {
        self.read(|tx| {
            let n = tx
                .query_row("SELECT n FROM counter WHERE name = ?1", [counter.name()], |row| {
                    row.get(0)
                })
                .optional()?;
            Ok(n.unwrap_or(0))
        })
    }
}

/// The sink works: what failed while it did not is tried again at once. Not after a single failure, which may have been the event's own.
fn recover(tx: &Transaction<'_>, sink: &str, at: i64) -> rusqlite::Result<()> {
    let failures: Option<i64> = tx
        .prepare_cached("SELECT failures FROM standing WHERE sink = ?1")?
        .query_row([sink], |row| row.get(0))
        .optional()?;
    if failures.is_some_and(|failures| failures > 1) {
        tx.prepare_cached("UPDATE turn SET due = 0 WHERE sink = ?1")?
            .execute([sink])?;
    }
    tx.prepare_cached(
        "INSERT INTO standing (sink, failures, due, delivered_at) VALUES (?1, 0, 0, ?2) \
         ON CONFLICT (sink) DO UPDATE SET failures = 0, due = 0, reason = NULL, delivered_at = ?2",
    )?
    .execute(params![sink, at])
    .map(drop)
}

fn put_off(tx: &Transaction<'_>, seq: i64, sink: &str, due: i64) -> rusqlite::Result<()> {
    tx.prepare_cached("UPDATE turn SET due = ?3 WHERE seq = ?1 AND sink = ?2")?
        .execute(params![seq, sink, due])
        .map(drop)
}

fn later(now: Timestamp, wait: Duration) -> i64 {
    let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    now.as_millisecond().saturating_add(wait)
}

pub(super) fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// One turn; only the number of an event that cannot be read.
fn turn(row: &Row<'_>) -> rusqlite::Result<Result<Turn, i64>> {
    let body: String = row.get(1)?;
    let Some(telling) = Telling::from_json(&body) else {
        return Ok(Err(row.get(0)?));
    };
    Ok(Ok(Turn {
        spooled: Spooled {
            seq: row.get(0)?,
            telling,
        },
        id: row.get(2)?,
        shared: row.get(3)?,
        epoch: row.get::<_, Option<i64>>(4)?.map(i64::cast_unsigned),
        tries: row.get(5)?,
    }))
}
