//! What a sink is, and what may go wrong with one.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use topology::{Epoch, MasterName};

use crate::picture::Picture;

/// Somebody outside who has to know who is master.
pub trait Sink: Send + 'static {
    /// Brings it to what the picture says, and reads back what it then has. Called again and again, also when nothing changed: it
    /// may have been restarted, or somebody may have changed it by hand; doing it twice changes nothing the second time.
    /// The future may be dropped at any await.
    fn bring(&mut self, picture: &Picture) -> impl Future<Output = Result<Brought, SinkError>> + Send;

    /// Takes away what only the watcher that leads may leave there. Called again and again while another one leads.
    fn stand_aside(&mut self, picture: &Picture) -> impl Future<Output = Result<(), SinkError>> + Send {
        let _ = picture;
        std::future::ready(Ok(()))
    }

    /// The groups that it is known to have, and as of which epoch. A sink that is told of each group by itself says so: one group
    /// that fails is then not counted against the others.
    fn confirmed(&self) -> BTreeMap<MasterName, Epoch> {
        BTreeMap::new()
    }
}

/// It has what the picture says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct Brought {
    /// The groups of which it had to be told.
    pub told: Vec<MasterName>,
    /// What is not as somebody may expect, for example that there are fewer slots than replicas. One line.
    pub remark: Option<String>,
}

/// Why it does not.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// Nobody answers, or the connection broke.
    #[error("{what} cannot be reached")]
    Unreachable {
        /// Who.
        what: String,
        /// The reason.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// It answered that it will not, with its words.
    #[error("{what} refused: {answer}")]
    Refused {
        /// Who.
        what: String,
        /// Its answer, shortened.
        answer: String,
    },
    /// It took it, and yet has something else.
    #[error("{what} has {found} where {wanted} was set")]
    NotConfirmed {
        /// Who.
        what: String,
        /// What was to be there.
        wanted: String,
        /// What is.
        found: String,
    },
    /// Something on this host is in the way: a file, a template, a program.
    #[error("{what}: {problem}")]
    Local {
        /// What was being done.
        what: String,
        /// What is wrong, and what helps.
        problem: String,
    },
    /// Nothing was tried: what failed before is not to be tried again yet.
    #[error("{error}")]
    Resting {
        /// As it failed then.
        error: Box<SinkError>,
        /// After so long it is tried again.
        after: Duration,
    },
    /// It waits for something, and will be asked again.
    #[error("waiting for {what}")]
    NotYet {
        /// For what.
        what: String,
    },
}
