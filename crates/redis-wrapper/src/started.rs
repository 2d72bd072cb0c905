//! When a start is over for systemd, which kills what takes too long to start. Pure.

use registry::{Registered, Session};

/// Why the start is over, now that Redis answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Started {
    /// Others can find it.
    Registered,
    /// ZooKeeper went away after Redis was started. To call that a failed start would have systemd kill a Redis that serves.
    WithoutZooKeeper,
}

/// Whether the start is over. With ZooKeeper there it is not before the registration, which then is a matter of milliseconds, or denied.
pub(crate) fn started(registered: Registered, session: Session) -> Option<Started> {
    match (registered, session) {
        (Registered::Present, _) => Some(Started::Registered),
        (Registered::Pending | Registered::Taken, Session::Connecting | Session::Suspect) => {
            Some(Started::WithoutZooKeeper)
        }
        (Registered::Pending | Registered::Taken, Session::Up { .. } | Session::Closed) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_ends_with_the_registration_or_without_zookeeper() {
        let up = Session::Up { generation: 1 };
        for (registered, session, expected) in [
            (Registered::Present, up, Some(Started::Registered)),
            (Registered::Present, Session::Suspect, Some(Started::Registered)),
            (Registered::Pending, up, None),
            (
                Registered::Pending,
                Session::Suspect,
                Some(Started::WithoutZooKeeper),
            ),
            (
                Registered::Pending,
                Session::Connecting,
                Some(Started::WithoutZooKeeper),
            ),
            (Registered::Pending, Session::Closed, None),
        ] {
            assert_eq!(
                started(registered, session),
                expected,
                "{registered:?} {session:?}"
            );
        }
    }
}
