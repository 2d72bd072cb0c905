//! Everything that all groups of this watcher and its sinks know: what the pages, the metrics and the event stream are made of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use sinks::Standing;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use topology::MasterName;

use crate::feed::Feed;
use crate::situation::Situation;

/// All groups and all sinks. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    groups: Arc<BTreeMap<MasterName, Situation>>,
    standings: Arc<Vec<watch::Receiver<Standing>>>,
    /// The group of whoever names none: the first that was configured.
    first: Option<MasterName>,
    clock: Clock,
    feed: Arc<Feed>,
    waiters: Arc<Semaphore>,
}

/// How many may wait for a change of master at a time.
pub(crate) const WAITERS: usize = 64;

/// Which time of day a moment was. Always the same for one moment, although the machine's clock may be set: two answers
/// about one moment must not differ.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    began: Instant,
    at: SystemTime,
}

impl Clock {
    /// At `began` it was `at`.
    pub(crate) fn starting(began: Instant, at: SystemTime) -> Self {
        Self { began, at }
    }

    /// What it was then.
    pub(crate) fn time_of(self, moment: Instant) -> SystemTime {
        let (later, earlier) = (
            moment.saturating_duration_since(self.began),
            self.began.saturating_duration_since(moment),
        );
        let time = self
            .at
            .checked_add(later)
            .and_then(|time| time.checked_sub(earlier));
        time.unwrap_or(UNIX_EPOCH)
    }
}

/// Why a question names no group.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unnamed {
    /// There are several, and it says none.
    #[error("there are several groups; add ?group= and one of: {0}")]
    Several(String),
    /// None is called so.
    #[error("there is no group `{asked}`; there is: {names}")]
    NoSuch {
        /// The name.
        asked: String,
        /// Those that exist.
        names: String,
    },
}

impl Known {
    /// What is known of these groups, of which the first is the default, and of these sinks.
    pub(crate) fn new(situations: Vec<Situation>, standings: Vec<watch::Receiver<Standing>>) -> Self {
        let first = situations.first().map(|situation| situation.group.clone());
        let feed = Arc::new(Feed::new(situations.len()));
        let named = situations
            .into_iter()
            .map(|situation| (situation.group.clone(), situation));
        Self {
            groups: Arc::new(named.collect()),
            standings: Arc::new(standings),
            first,
            clock: Clock::starting(Instant::now(), SystemTime::now()),
            feed,
            waiters: Arc::new(Semaphore::new(WAITERS)),
        }
    }

    /// All groups, by name.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &Situation> {
        self.groups.values()
    }

    /// How each sink stands.
    pub(crate) fn standings(&self) -> &[watch::Receiver<Standing>] {
        &self.standings
    }

    /// What has happened.
    pub(crate) fn feed(&self) -> Arc<Feed> {
        self.feed.clone()
    }

    /// A place to wait for a change of master, if there is one.
    pub(crate) fn place_to_wait(&self) -> Option<OwnedSemaphorePermit> {
        self.waiters.clone().try_acquire_owned().ok()
    }

    /// How many wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        WAITERS - self.waiters.available_permits()
    }

    /// Which time a moment was.
    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    /// The group that is asked for. With one group it need not be named.
    pub(crate) fn group(&self, asked: Option<&str>) -> Result<&Situation, Unnamed> {
        match (asked, self.groups.len(), self.default_group()) {
            (None, 1, Some(only)) => Ok(only),
            (None, _, _) => Err(Unnamed::Several(self.names())),
            (Some(asked), _, _) => {
                let named = self
                    .groups
                    .values()
                    .find(|situation| situation.group.as_str() == asked);
                named.ok_or_else(|| Unnamed::NoSuch {
                    asked: asked.to_owned(),
                    names: self.names(),
                })
            }
        }
    }

    /// As [`Known::group`], for the old pages: with one group whatever is asked is ignored, as ever; with several the first is meant
    /// where none is named.
    pub(crate) fn group_or_first(&self, asked: Option<&str>) -> Result<&Situation, Unnamed> {
        match (self.default_group(), asked) {
            (Some(first), None) => Ok(first),
            (Some(only), Some(_)) if self.groups.len() == 1 => Ok(only),
            (_, asked) => self.group(asked),
        }
    }

    fn default_group(&self) -> Option<&Situation> {
        self.groups.get(self.first.as_ref()?)
    }

    fn names(&self) -> String {
        let names: Vec<&str> = self.groups.keys().map(MasterName::as_str).collect();
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn asked<'a>(found: &'a Result<&Situation, Unnamed>) -> Result<&'a str, String> {
        match found {
            Ok(situation) => Ok(situation.group.as_str()),
            Err(why) => Err(why.to_string()),
        }
    }

    #[test]
    fn one_group_need_not_be_named_and_of_several_the_old_pages_mean_the_first() {
        let one = Known::new(vec![sample::situation("sessions")], Vec::new());
        let two = ["sessions", "carts"].map(sample::situation);
        let two = Known::new(two.into(), Vec::new());

        assert_eq!(asked(&one.group(None)), Ok("sessions"));
        assert_eq!(asked(&one.group(Some("sessions"))), Ok("sessions"));
        let no = "there is no group `typo`; there is: sessions".to_owned();
        assert_eq!(asked(&one.group(Some("typo"))), Err(no));
        assert_eq!(asked(&one.group_or_first(Some("typo"))), Ok("sessions"));

        let which = "there are several groups; add ?group= and one of: carts, sessions".to_owned();
        assert_eq!(asked(&two.group(None)), Err(which));
        assert_eq!(asked(&two.group(Some("carts"))), Ok("carts"));
        assert_eq!(asked(&two.group_or_first(None)), Ok("sessions"));
        assert_eq!(asked(&two.group_or_first(Some("carts"))), Ok("carts"));
        assert!(two.group_or_first(Some("typo")).is_err());
    }
}
