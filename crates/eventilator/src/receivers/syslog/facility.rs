//! As what a log is written to.

use std::str::FromStr;

/// Which part of a system writes, in syslog's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the names are syslog's own")]
pub enum Facility {
    User = 1,
    Mail = 2,
    #[default]
    Daemon = 3,
    Auth = 4,
    Syslog = 5,
    Lpr = 6,
    News = 7,
    Uucp = 8,
    Cron = 9,
    Authpriv = 10,
    Ftp = 11,
    Local0 = 16,
    Local1 = 17,
    Local2 = 18,
    Local3 = 19,
    Local4 = 20,
    Local5 = 21,
    Local6 = 22,
    Local7 = 23,
}

/// A word that names no facility.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no facility of syslog; write daemon, user, local0 to local7, or another of its names")]
pub struct UnknownFacility(String);

const NAMES: [(&str, Facility); 19] = [
    ("user", Facility::User),
    ("mail", Facility::Mail),
    ("daemon", Facility::Daemon),
    ("auth", Facility::Auth),
    ("syslog", Facility::Syslog),
    ("lpr", Facility::Lpr),
    ("news", Facility::News),
    ("uucp", Facility::Uucp),
    ("cron", Facility::Cron),
    ("authpriv", Facility::Authpriv),
    ("ftp", Facility::Ftp),
    ("local0", Facility::Local0),
    ("local1", Facility::Local1),
    ("local2", Facility::Local2),
    ("local3", Facility::Local3),
    ("local4", Facility::Local4),
    ("local5", Facility::Local5),
    ("local6", Facility::Local6),
    ("local7", Facility::Local7),
];

impl Facility {
    /// Its number, without a severity.
    pub(super) fn number(self) -> u8 {
        self as u8
    }
}

impl FromStr for Facility {
    type Err = UnknownFacility;

    fn from_str(word: &str) -> Result<Self, UnknownFacility> {
        let named = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        named
            .map(|(_, facility)| *facility)
            .ok_or_else(|| UnknownFacility(word.to_owned()))
    }
}
