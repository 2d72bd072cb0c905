//! What a receiver that is told once has been told: of each group, as of which epoch, and when to try again what failed.
//!
//! Each group is paced by itself. The picture changes whenever a replica comes or goes, and a receiver that refuses one group must
//! not be asked at each of these; nor may that group keep the others from being told.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use topology::{Addr, Epoch, MasterName};

use crate::picture::{Group, Master, Picture};
use crate::sink::{Brought, SinkError};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Below the loop's own ceiling, which sets the pace; this only holds when the loop is woken for other reasons.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Between two tries of what was refused for a reason that does not pass by itself.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// What happened to each group.
#[derive(Debug, Default)]
pub(crate) struct Told {
    confirmed: BTreeMap<MasterName, (Epoch, Addr)>,
    failed: BTreeMap<MasterName, Failed>,
}

#[derive(Debug)]
struct Failed {
    epoch: Epoch,
    tries: u32,
    at: Instant,
    not_before: Instant,
    failure: Failure,
}

/// Why one group could not be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Nobody answered; or an answer that says so itself.
    Passing(String),
    /// The answer was no, and the same request will get the same answer.
    Lasting(String),
    /// Something on this host.
    Local(String),
}

impl Told {
    /// The groups to tell now: those that failed least first, so that a few that hang do not stand before the rest.
    pub(crate) fn due(&self, picture: &Picture, now: Instant) -> Vec<Group> {
        let mut due: Vec<(u32, &Group)> = picture
            .groups
            .values()
            .filter(|group| !self.has(group))
            .filter_map(|group| match self.failed_now(group) {
                Some(failed) if now < failed.not_before => None,
                failed => Some((failed.map_or(0, |failed| failed.tries), group)),
            })
            .collect();
        due.sort_by_key(|(tries, _)| *tries);
        due.into_iter().map(|(_, group)| group.clone()).collect()
    }

    /// The master that it was told of last.
    pub(crate) fn previous(&self, group: &MasterName) -> Option<&Addr> {
        self.confirmed.get(group).map(|(_, addr)| addr)
    }

    pub(crate) fn confirm(&mut self, group: MasterName, master: &Master) {
        self.failed.remove(&group);
        self.confirmed.insert(group, (master.epoch, master.addr.clone()));
    }

    pub(crate) fn fail(&mut self, group: MasterName, epoch: Epoch, failure: Failure, now: Instant) {
        let before = self.failed.get(&group).filter(|failed| failed.epoch == epoch);
        let tries = before.map_or(0, |failed| failed.tries).saturating_add(1);
        let pause = match failure {
            Failure::Lasting(_) => REFUSED_PAUSE,
            Failure::Passing(_) | Failure::Local(_) => {
                (FIRST_PAUSE * 2_u32.pow((tries - 1).min(16))).min(LONGEST_PAUSE)
            }
        };
        let not_before = now + pause;
        self.failed.insert(
            group,
            Failed {
                epoch,
                tries,
                at: now,
                not_before,
                failure,
            },
        );
    }

    /// The epochs that it has.
    pub(crate) fn epochs(&self) -> BTreeMap<MasterName, Epoch> {
        let epoch = |(name, (epoch, _)): (&MasterName, &(Epoch, Addr))| (name.clone(), *epoch);
        self.confirmed.iter().map(epoch).collect()
    }

    /// What came of telling those that were due at `began`.
    pub(crate) fn outcome(
        &self,
        what: &str,
        picture: &Picture,
        brought: Brought,
        began: Instant,
    ) -> Result<Brought, SinkError> {
        let Some(error) = self.trouble(what, picture) else {
            return Ok(brought);
        };
        let behind = picture.groups.values().filter(|group| !self.has(group));
        let failed: Vec<&Failed> = behind.filter_map(|group| self.failed_now(group)).collect();
        let after = failed
            .iter()
            .map(|failed| failed.not_before.saturating_duration_since(began))
            .min();
        match after {
            Some(after) if failed.iter().all(|failed| failed.at < began) => Err(SinkError::Resting {
                error: Box::new(error),
                after,
            }),
            Some(_) | None => Err(error),
        }
    }

    /// Why not all groups are told: the first one's reason, and how many there are.
    fn trouble(&self, what: &str, picture: &Picture) -> Option<SinkError> {
        let mut behind = picture.groups.values().filter(|group| !self.has(group));
        let first = behind.next()?;
        let more = match behind.count() {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let what = format!("{what} for {}{more}", first.name);
        Some(
            match self.failed_now(first).map(|failed| failed.failure.clone()) {
                Some(Failure::Passing(reason)) => SinkError::Unreachable {
                    what,
                    source: reason.into(),
                },
                Some(Failure::Lasting(answer)) => SinkError::Refused { what, answer },
                Some(Failure::Local(problem)) => SinkError::Local { what, problem },
                None => SinkError::NotYet { what },
            },
        )
    }

    fn has(&self, group: &Group) -> bool {
        self.confirmed
            .get(&group.name)
            .is_some_and(|(epoch, _)| *epoch >= group.master.epoch)
    }

    fn failed_now(&self, group: &Group) -> Option<&Failed> {
        self.failed
            .get(&group.name)
            .filter(|failed| failed.epoch == group.master.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::Board;
    use crate::picture::testing::group;

    fn picture(groups: &[(&str, u64)]) -> Picture {
        let board = Board::new(Vec::new());
        for (name, epoch) in groups {
            let _ = board.offer(group(name, *epoch));
        }
        let picture = board.pictures().borrow().clone();
        Picture::clone(&picture)
    }

    fn names(due: &[Group]) -> Vec<String> {
        due.iter().map(|group| group.name.to_string()).collect()
    }

    #[test]
    fn a_group_that_fails_waits_for_itself_alone() {
        let (mut told, now) = (Told::default(), Instant::now());
        let both = picture(&[("a", 1), ("b", 1)]);
        assert_eq!(names(&told.due(&both, now)), ["a", "b"]);
        told.confirm("b".parse().unwrap(), &both.groups.values().nth(1).unwrap().master);
        told.fail(
            "a".parse().unwrap(),
            Epoch(1),
            Failure::Passing("no".to_owned()),
            now,
        );
        assert!(told.due(&both, now).is_empty());
        assert_eq!(names(&told.due(&both, now + FIRST_PAUSE)), ["a"]);
        let trouble = told.trouble("it", &both).unwrap();
        assert_eq!(trouble.to_string(), "it for a cannot be reached");
        // What failed as of an older epoch says nothing of the new one.
        let moved = picture(&[("a", 2), ("b", 1), ("c", 1)]);
        assert_eq!(names(&told.due(&moved, now)), ["a", "c"]);
        assert_eq!(
            told.trouble("it", &moved).unwrap().to_string(),
            "waiting for it for a (and 1 more)"
        );
    }

    #[test]
    fn who_failed_most_comes_last_and_a_refusal_is_repeated_slowly() {
        let (mut told, now) = (Told::default(), Instant::now());
        let both = picture(&[("a", 1), ("b", 1)]);
        told.fail(
            "a".parse().unwrap(),
            Epoch(1),
            Failure::Passing("no".to_owned()),
            now,
        );
        assert_eq!(names(&told.due(&both, now + LONGEST_PAUSE)), ["b", "a"]);
        told.fail(
            "b".parse().unwrap(),
            Epoch(1),
            Failure::Lasting("410".to_owned()),
            now,
        );
        assert_eq!(names(&told.due(&both, now + LONGEST_PAUSE)), ["a"]);
        assert_eq!(told.due(&both, now + REFUSED_PAUSE).len(), 2);
    }

    #[test]
    fn a_look_at_what_rests_is_no_failure() {
        let (mut told, now) = (Told::default(), Instant::now());
        let both = picture(&[("a", 1), ("b", 1)]);
        let lasting = Failure::Lasting("410".to_owned());
        told.fail("a".parse().unwrap(), Epoch(1), lasting, now);
        told.confirm("b".parse().unwrap(), &both.groups.values().nth(1).unwrap().master);
        // As it fails, and at looks after that.
        let failed = told.outcome("it", &both, Brought::default(), now).unwrap_err();
        assert!(matches!(failed, SinkError::Refused { .. }), "{failed:?}");
        let later = now + Duration::from_secs(20);
        let rests = told.outcome("it", &both, Brought::default(), later).unwrap_err();
        assert_eq!(rests.to_string(), failed.to_string());
        let SinkError::Resting { after, .. } = rests else {
            panic!("{rests:?}");
        };
        assert_eq!(after, Duration::from_secs(40));
        // Another one fails meanwhile: that is one.
        let passing = Failure::Passing("no".to_owned());
        let moved = picture(&[("a", 1), ("b", 2)]);
        told.fail("b".parse().unwrap(), Epoch(2), passing, later);
        assert!(matches!(
            told.outcome("it", &moved, Brought::default(), later),
            Err(SinkError::Refused { .. })
        ));
    }

    #[test]
    fn an_older_epoch_is_never_due() {
        let mut told = Told::default();
        let newer = picture(&[("a", 5)]);
        told.confirm(
            "a".parse().unwrap(),
            &newer.groups.values().next().unwrap().master,
        );
        assert!(told.due(&picture(&[("a", 4)]), Instant::now()).is_empty());
        assert!(told.due(&newer, Instant::now()).is_empty());
        assert_eq!(told.epochs().values().collect::<Vec<_>>(), [&Epoch(5)]);
    }
}
