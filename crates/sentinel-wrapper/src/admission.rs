//! Whether the master lets the own Sentinel in.
//!
//! Sentinel tells nobody: to it, a master that refuses its password is one that does not answer, and it holds it for down.
//! The wrapper carries the same credentials, so it asks in its stead: once for each master, and as long as Sentinel does
//! not reach that one. A master that is merely silent says nothing about passwords, and changes nothing here.

use instance::Probe;
use topology::Addr;

use crate::view::{Own, Reach};

/// What is known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Admission {
    /// Nobody has asked yet, or nobody has answered.
    #[default]
    Unknown,
    /// This master lets us in.
    Granted(Addr),
    /// It answers, and does not.
    Denied {
        /// The master.
        master: Addr,
        /// In its own words; no secret is in them.
        reason: String,
    },
}

impl Admission {
    /// The master to ask now, where that may tell something new.
    pub fn to_ask<'a>(&self, own: &'a Own) -> Option<&'a Addr> {
        let own = match own {
            Own::Monitoring(own) => own,
            Own::Silent | Own::Unusable(_) | Own::Unaware => return None,
        };
        let master = &own.record.addr;
        let settled = matches!(self, Self::Granted(known) if known == master);
        (!settled || own.master != Reach::Up).then_some(master)
    }

    /// What is known after `master` was asked.
    #[must_use]
    pub fn after(&self, master: &Addr, answer: Probe) -> Self {
        match answer {
            Probe::Denied(reason) => Self::Denied {
                master: master.clone(),
                reason,
            },
            // The greeting carries the password, and comes before a data set or a script is in the way.
            Probe::Answered(_) | Probe::Loading | Probe::Busy => Self::Granted(master.clone()),
            Probe::Refused | Probe::Unreachable if self.master() == Some(master) => self.clone(),
            Probe::Refused | Probe::Unreachable => Self::Unknown,
        }
    }

    /// Why not, for `/ready` and `/role`; `None` unless it is known that we are kept out.
    pub fn denial(&self) -> Option<String> {
        match self {
            Self::Unknown | Self::Granted(_) => None,
            Self::Denied { master, reason } => Some(format!(
                "the master {master} does not let this sentinel in, check REDIS_PASSWORD: {reason}"
            )),
        }
    }

    fn master(&self) -> Option<&Addr> {
        match self {
            Self::Unknown => None,
            Self::Granted(master) | Self::Denied { master, .. } => Some(master),
        }
    }
}

#[cfg(test)]
mod tests {
    use topology::{Epoch, MasterRecord};

    use super::*;
    use crate::view::{Monitoring, Scripts};

    fn addr(port: u16) -> Addr {
        Addr::new("10.0.0.1", port).unwrap()
    }

    fn monitoring(port: u16, master: Reach) -> Own {
        Own::Monitoring(Box::new(Monitoring {
            record: MasterRecord {
                addr: addr(port),
                epoch: Epoch(1),
            },
            master,
            failover_in_progress: false,
            scripts: Scripts::InPlace,
            peers: Vec::new(),
            replicas: Vec::new(),
        }))
    }

    fn denied(port: u16) -> Admission {
        Admission::Denied {
            master: addr(port),
            reason: "WRONGPASS".to_owned(),
        }
    }

    #[test]
    fn who_is_asked_and_who_need_not_be() {
        let granted = Admission::Granted(addr(1));
        let table = [
            ("never asked", Admission::Unknown, monitoring(1, Reach::Up), true),
            (
                "known to be well",
                granted.clone(),
                monitoring(1, Reach::Up),
                false,
            ),
            ("another master", granted.clone(), monitoring(2, Reach::Up), true),
            (
                "a password that changed",
                granted.clone(),
                monitoring(1, Reach::Down),
                true,
            ),
            (
                "a connection that is gone",
                granted.clone(),
                monitoring(1, Reach::Disconnected),
                true,
            ),
            (
                "kept out until told otherwise",
                denied(1),
                monitoring(1, Reach::Up),
                true,
            ),
            ("no sentinel", denied(1), Own::Silent, false),
            ("no group", Admission::Unknown, Own::Unaware, false),
        ];
        for (what, known, own, expected) in table {
            assert_eq!(known.to_ask(&own).is_some(), expected, "{what}");
        }
    }

    #[test]
    fn silence_changes_nothing_and_a_word_all() {
        let no = || Probe::Denied("WRONGPASS".to_owned());
        assert_eq!(Admission::Unknown.after(&addr(1), no()), denied(1));
        assert_eq!(
            denied(1).after(&addr(1), Probe::Loading),
            Admission::Granted(addr(1))
        );
        for silence in [Probe::Refused, Probe::Unreachable] {
            assert_eq!(denied(1).after(&addr(1), silence.clone()), denied(1));
            assert_eq!(denied(1).after(&addr(2), silence), Admission::Unknown);
        }
        assert_eq!(Admission::Granted(addr(1)).denial(), None);
        let why = denied(1).denial().unwrap();
        assert!(
            why.contains("check REDIS_PASSWORD") && why.contains("WRONGPASS"),
            "{why}"
        );
    }
}
