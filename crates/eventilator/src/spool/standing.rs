//! How a sink is: what it lacks, and since when and why.

use jiff::Timestamp;
use rusqlite::OptionalExtension;

use super::turns::timestamp;
use super::{Spool, SpoolError};

/// How a sink is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Events it lacks.
    pub pending: u64,
    /// Since when the oldest of them waits.
    pub oldest: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
    /// When it is tried again.
    pub due: Option<Timestamp>,
    /// Why it failed last.
    pub reason: Option<String>,
    /// When it last took one.
    pub delivered_at: Option<Timestamp>,
    /// How many it took.
    pub delivered: u64,
    /// How many were the same as one it had.
    pub repeated: u64,
}

impl Spool {
    /// How a sink is.
    pub fn standing(&mut self, sink: &str) -> Result<Standing, SpoolError> {
        self.read(|tx| {
            let mut standing = tx
                .query_row(
                    "SELECT failures, due, reason, delivered_at FROM standing WHERE sink = ?1",
                    [sink],
                    |row| {
                        Ok(Standing {
                            failures: row.get(0)?,
                            due: Some(timestamp(row.get(1)?)),
                            reason: row.get(2)?,
                            delivered_at: row.get::<_, Option<i64>>(3)?.map(timestamp),
                            ..Standing::default()
                        })
                    },
                )
                .optional()?
                .unwrap_or_default();
            let (pending, oldest): (u64, Option<i64>) = tx.query_row(
                "SELECT count(*), min(event.at) FROM turn JOIN event ON event.seq = turn.seq WHERE sink = ?1",
                [sink],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            (standing.pending, standing.oldest) = (pending, oldest.map(timestamp));
            let counted = |name: String| {
                tx.query_row("SELECT n FROM counter WHERE name = ?1", [name], |row| row.get(0))
                    .optional()
            };
            standing.delivered = counted(format!("delivered:{sink}"))?.unwrap_or(0);
            standing.repeated = counted(format!("repeated:{sink}"))?.unwrap_or(0);
            Ok(standing)
        })
    }

    /// The sinks that lack something or took something.
    pub fn known_sinks(&mut self) -> Result<Vec<String>, SpoolError> {
        self.read(|tx| {
            let mut all = tx.prepare("SELECT sink FROM standing UNION SELECT sink FROM turn ORDER BY 1")?;
            let names = all.query_map([], |row| row.get(0))?;
            names.collect()
        })
    }
}
