//! Events on disk until every sink has them.
//!
//! SQLite, because sixteen calls write at once while a drainer reads, each commit must survive a kill at any write, and it costs one fsync
//! (WAL, `synchronous=FULL`). A call only inserts. Everything else is done by the one that holds the spool's [lock](crate::lock).

use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, params};

use crate::identity::{Book, Identity};

mod schema;
mod standing;
mod telling;
mod turns;

pub use standing::Standing;
pub use telling::Telling;
pub use turns::{Counter, LATEST, Outcome, Turn};

/// How long one waits for another process that writes. A call has 60 s in all, and a commit takes milliseconds.
const BUSY: Duration = Duration::from_secs(15);

/// An open spool.
pub struct Spool {
    db: Connection,
    limits: Limits,
}

/// How much a spool keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// So many events; beyond them the oldest are dropped.
    pub events: u64,
    /// Events older than this are dropped: nobody wants last month's alarm.
    pub age: Duration,
}

/// Whose book says which event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// The spool's own: there is no store.
    Own,
    /// That in the store, which is to be asked.
    Store,
}

/// An event in the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spooled {
    /// Its number; they grow.
    pub seq: i64,
    /// What was told.
    pub telling: Telling,
}

/// What is wrong with a spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// There is no directory for it.
    #[error("the spool's directory {} cannot be made; set [Spool] Directory or EVENTILATOR_SPOOL_DIRECTORY to one that Sentinel's user may write", .path.display())]
    Directory {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It cannot be opened, read or written.
    #[error("the spool {}: {doing}", .path.display())]
    Database {
        /// Its file.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: rusqlite::Error,
    },
}

impl Spool {
    /// Opens the spool at `path`, and makes it where there is none.
    pub fn open(path: &Path, limits: Limits) -> Result<Self, SpoolError> {
        if let Some(directory) = path.parent() {
            // What happens in a group is not everybody's business.
            let made = DirBuilder::new().recursive(true).mode(0o750).create(directory);
            made.map_err(|source| SpoolError::Directory {
                path: directory.to_owned(),
                source,
            })?;
        }
        let failed = |source| SpoolError::Database {
            path: path.to_owned(),
            doing: "it cannot be opened",
            source,
        };
        let db = Connection::open(path).map_err(failed)?;
        schema::prepare(&db, path, BUSY).map_err(failed)?;
        // The last one to close would write the log into the database, which is the drainer's work and not a call's.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .map_err(failed)?;
        Ok(Self { db, limits })
    }

    /// Puts an event into it. When this returns, the event is on disk.
    pub fn put(&mut self, telling: &Telling) -> Result<(), SpoolError> {
        let body = telling.to_json();
        let (at, limits) = (telling.at.as_millisecond(), self.limits);
        self.write("it cannot take an event", |tx| {
            tx.prepare_cached("INSERT INTO event (at, body) VALUES (?1, ?2)")?
                .execute(params![at, body])?;
            // Only if nobody drains: who does trims in time.
            let newest = tx.last_insert_rowid();
            let oldest: i64 = tx.query_row("SELECT min(seq) FROM event", [], |row| row.get(0))?;
            if newest.abs_diff(oldest) > limits.events {
                trim_number(tx, limits.events)?;
            }
            Ok(())
        })
    }

    /// Who this spool is to a store that several share: made when it was first asked for, and lasting.
    pub fn owner(&mut self) -> Result<String, SpoolError> {
        let fresh = uuid::Uuid::new_v4().to_string();
        self.write("it cannot be written", |tx| {
            tx.execute(
                "INSERT OR IGNORE INTO own (name, value) VALUES ('owner', ?1)",
                [fresh],
            )?;
            tx.query_row("SELECT value FROM own WHERE name = 'owner'", [], |row| row.get(0))
        })
    }

    /// The oldest event whose identity by the shared book is not known yet.
    pub fn unshared(&mut self) -> Result<Option<Spooled>, SpoolError> {
        let row = self.read(|tx| {
            let row: Option<(i64, String)> = tx
                .prepare_cached("SELECT seq, body FROM event WHERE id IS NOT NULL AND shared IS NULL ORDER BY seq LIMIT 1")?
                .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            Ok(row)
        })?;
        let Some((seq, body)) = row else { return Ok(None) };
        match Telling::from_json(&body) {
            Some(telling) => Ok(Some(Spooled { seq, telling })),
            None => self.forget_unreadable(seq).map(|()| None),
        }
    }

    /// Written by a newer version, or by nobody: it cannot be delivered, and must not stop the others.
    fn forget_unreadable(&mut self, seq: i64) -> Result<(), SpoolError> {
        self.write("it cannot be written", |tx| {
            tx.execute("DELETE FROM event WHERE seq = ?1", [seq])?;
            tx.execute("DELETE FROM turn WHERE seq = ?1", [seq])?;
            tx.execute("DELETE FROM alone WHERE seq = ?1", [seq])?;
            turns::add(tx, Counter::Unreadable, 1)
        })
    }

    /// There is no store any more: the spool's own book is the one that counts, and nobody is to be told.
    pub fn own_book_only(&mut self) -> Result<(), SpoolError> {
        self.write("it cannot be written", |tx| {
            tx.execute("DELETE FROM alone", [])?;
            tx.execute(
                "UPDATE event SET shared = id WHERE id IS NOT NULL AND shared IS NULL",
                [],
            )?;
            tx.execute(
                "DELETE FROM event WHERE id IS NOT NULL AND seq NOT IN (SELECT seq FROM turn)",
                [],
            )
            .map(drop)
        })
    }

    /// The oldest event that was not looked at yet.
    pub fn unjudged(&mut self) -> Result<Option<Spooled>, SpoolError> {
        self.write("it cannot be read", |tx| {
            loop {
                let row: Option<(i64, String)> = tx
                    .prepare_cached("SELECT seq, body FROM event WHERE id IS NULL ORDER BY seq LIMIT 1")?
                    .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?;
                let Some((seq, body)) = row else { return Ok(None) };
                if let Some(telling) = Telling::from_json(&body) {
                    return Ok(Some(Spooled { seq, telling }));
                }
                // Written by a newer version, or by nobody: it cannot be delivered, and must not stop the others.
                tx.execute("DELETE FROM event WHERE seq = ?1", [seq])?;
                turns::add(tx, Counter::Unreadable, 1)?;
            }
        })
    }

    /// The book of a group.
    pub fn book(&mut self, group: &str) -> Result<Book, SpoolError> {
        self.read(|tx| {
            let body: Option<String> = tx
                .prepare_cached("SELECT body FROM book WHERE pod = ?1")?
                .query_row([group], |row| row.get(0))
                .optional()?;
            Ok(body
                .and_then(|body| serde_json::from_str(&body).ok())
                .unwrap_or_default())
        })
    }

    /// Notes which event it is, what the group's book says now, and which sinks shall have it. An event that no sink wants stays until the shared
    /// book has heard of it: what goes without a word must have gone there too.
    pub fn judged(
        &mut self,
        seq: i64,
        group: &str,
        book: &Book,
        identity: &Identity,
        sinks: &BTreeSet<&str>,
        sharing: Sharing,
    ) -> Result<(), SpoolError> {
        let shared = match sharing {
            Sharing::Own => Some(&identity.id),
            Sharing::Store => None,
        };
        let body = serde_json::to_string(book).unwrap_or_default();
        self.write("it cannot be written", |tx| {
            tx.prepare_cached(
                "INSERT INTO book (pod, body) VALUES (?1, ?2) ON CONFLICT (pod) DO UPDATE SET body = ?2",
            )?
            .execute(params![group, body])?;
            tx.prepare_cached("UPDATE event SET id = ?2, epoch = ?3, shared = ?4 WHERE seq = ?1")?
                .execute(params![
                    seq,
                    identity.id,
                    identity.epoch.map(u64::cast_signed),
                    shared
                ])?;
            for sink in sinks {
                tx.prepare_cached("INSERT OR IGNORE INTO turn (seq, sink) VALUES (?1, ?2)")?
                    .execute(params![seq, sink])?;
            }
            turns::tidy_event(tx, seq)
        })
    }

    /// Drops what is too old or too much, and old marks.
    pub fn trim(&mut self, now: Timestamp) -> Result<u64, SpoolError> {
        let Limits { events, age } = self.limits;
        let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let oldest = now.as_millisecond().saturating_sub(age);
        // Twice as long as an event may wait: another host's spool may hold the same one as long.
        let forgotten = oldest.saturating_sub(age);
        self.write("it cannot be trimmed", |tx| {
            let dropped = tx.execute("DELETE FROM event WHERE at < ?1", [oldest])? as u64;
            turns::forget_dropped(tx, dropped)?;
            tx.execute("DELETE FROM mark WHERE at < ?1", [forgotten])?;
            Ok(dropped + trim_number(tx, events)?)
        })
    }

    fn read<T>(
        &mut self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, SpoolError> {
        self.transaction(TransactionBehavior::Deferred, "it cannot be read", work)
    }

    fn write<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, SpoolError> {
        self.transaction(TransactionBehavior::Immediate, doing, work)
    }

    fn transaction<T>(
        &mut self,
        behavior: TransactionBehavior,
        doing: &'static str,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, SpoolError> {
        let done = self.db.transaction_with_behavior(behavior).and_then(|tx| {
            let value = work(&tx)?;
            tx.commit()?;
            Ok(value)
        });
        done.map_err(|source| SpoolError::Database {
            path: self.db.path().unwrap_or_default().into(),
            doing,
            source,
        })
    }
}

/// Drops the oldest of too many.
fn trim_number(tx: &rusqlite::Transaction<'_>, most: u64) -> rusqlite::Result<u64> {
    let count: u64 = tx.query_row("SELECT count(*) FROM event", [], |row| row.get(0))?;
    let surplus = count.saturating_sub(most);
    if surplus > 0 {
        tx.execute(
            "DELETE FROM event WHERE seq IN (SELECT seq FROM event ORDER BY seq LIMIT ?1)",
            [surplus.cast_signed()],
        )?;
        turns::forget_dropped(tx, surplus)?;
    }
    Ok(surplus)
}

impl SpoolError {
    /// The disk has no room: what is told now is lost unless Sentinel repeats it.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Directory { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
            Self::Database { source, .. } => source.sqlite_error_code() == Some(ErrorCode::DiskFull),
        }
    }
}

#[cfg(test)]
mod tests;
