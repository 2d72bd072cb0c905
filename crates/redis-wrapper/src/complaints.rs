//! What in ZooKeeper cannot be read, told once and not at every look: a wrapper that waits for a role looks four times a second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{info, warn};

/// What was told already. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Complaints(Arc<Mutex<BTreeMap<String, String>>>);

/// What one look could not read: a path, and why.
pub(crate) type Unreadable = BTreeMap<String, String>;

impl Complaints {
    /// Tells what is new, or unreadable for another reason, or readable again.
    pub(crate) fn tell(&self, now: Unreadable) {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (path, reason) in news(&told, &now) {
            warn!(path, reason, "unreadable in zookeeper; left out");
        }
        for path in told.keys().filter(|path| !now.contains_key(*path)) {
            info!(path, "readable again, or gone");
        }
        *told = now;
    }
}

fn news<'a>(told: &'a Unreadable, now: &'a Unreadable) -> impl Iterator<Item = (&'a String, &'a String)> {
    now.iter()
        .filter(|(path, reason)| told.get(*path) != Some(*reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_told_is_not_told_again() {
        let unreadable = |paths: &[(&str, &str)]| -> Unreadable {
            let owned = |(path, why): &(&str, &str)| ((*path).to_owned(), (*why).to_owned());
            paths.iter().map(owned).collect()
        };
        let names = |told: &Unreadable, now: &Unreadable| -> Vec<String> {
            news(told, now).map(|(path, _)| path.clone()).collect()
        };
        let first = unreadable(&[("members/a", "not JSON"), ("state", "not JSON")]);
        assert_eq!(names(&Unreadable::new(), &first), ["members/a", "state"]);
        assert!(names(&first, &first).is_empty());
        let other = unreadable(&[("members/a", "not JSON"), ("state", "newer")]);
        assert_eq!(names(&first, &other), ["state"]);
    }
}
