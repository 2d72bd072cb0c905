//! The spool's tables. They are made by whoever comes first, and several may.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

/// Of the layout. A database with a later one is left alone.
const VERSION: i64 = 1;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice
    at INTEGER NOT NULL,                   -- ms since 1970
    body TEXT NOT NULL,                    -- a Telling
    id TEXT,                               -- its identity, once it was judged
    shared TEXT,                           -- the same by the book in the store
    epoch INTEGER
);
CREATE INDEX IF NOT EXISTS event_unjudged ON event (seq) WHERE id IS NULL;
CREATE TABLE IF NOT EXISTS turn (          -- a sink that lacks an event
    seq INTEGER NOT NULL,
    sink TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due INTEGER NOT NULL DEFAULT 0,        -- ms since 1970
    PRIMARY KEY (sink, seq)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS turn_of_event ON turn (seq);
CREATE INDEX IF NOT EXISTS turn_in_order ON turn (sink, due, seq);
CREATE TABLE IF NOT EXISTS alone (         -- delivered, and those that share the store do not know it yet
    seq INTEGER NOT NULL,
    sink TEXT NOT NULL,
    PRIMARY KEY (seq, sink)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS mark (          -- a sink that has an event
    id TEXT NOT NULL,
    sink TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (id, sink)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS book (pod TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS own (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS standing (
    sink TEXT PRIMARY KEY,
    failures INTEGER NOT NULL,             -- in a row
    due INTEGER NOT NULL,
    reason TEXT,
    delivered_at INTEGER
) WITHOUT ROWID;
PRAGMA user_version = 1;
";

/// Makes the tables where they are missing, and sets what holds for a connection. One at a time: who changes the journal's mode is
/// not made to wait for another who does, but refused.
pub(super) fn prepare(db: &Connection, path: &Path, busy: Duration) -> rusqlite::Result<()> {
    db.busy_timeout(busy)?;
    db.execute_batch("PRAGMA synchronous = FULL;")?;
    let version = || db.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    if version()? >= VERSION {
        return Ok(());
    }
    let _alone = alone(path).map_err(|_| rusqlite::Error::InvalidPath(path.to_owned()))?;
    if version()? >= VERSION {
        return Ok(());
    }
    db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))?;
    db.execute_batch(&format!("BEGIN IMMEDIATE; {TABLES} COMMIT;"))
}

fn alone(path: &Path) -> std::io::Result<File> {
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path.with_extension("new"))?;
    file.lock()?;
    Ok(file)
}
