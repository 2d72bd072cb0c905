//! The registered Sentinels, read from the children of `/redis/sentinels`. Pure.
//!
//! Registrations of old wrappers are persistent and never cleaned, and anybody may write there: what cannot be read is
//! told once and otherwise counts as not registered, since nobody could ever ask it.

use std::collections::{BTreeMap, BTreeSet};

use topology::Addr;
use zkpaths::{PayloadError, decode_address};

/// The registered Sentinels.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    /// Who can be asked, by the name of the registration.
    pub(crate) named: BTreeMap<String, Addr>,
    /// What cannot be read, and why.
    pub(crate) unreadable: BTreeMap<String, PayloadError>,
}

impl Roster {
    /// Reads the registrations.
    pub(crate) fn read(registrations: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut roster = Self::default();
        for (name, bytes) in registrations {
            match decode_address(bytes) {
                Ok(addr) => drop(roster.named.insert(name.clone(), addr)),
                Err(why) => drop(roster.unreadable.insert(name.clone(), why)),
            }
        }
        roster
    }

    /// Each address once.
    pub(crate) fn addresses(&self) -> BTreeSet<Addr> {
        self.named.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_one_sentinel_and_garbage_is_none() {
        let registrations: [(&str, &[u8]); 5] = [
            ("a", b"10.0.0.1 26379"),
            ("b", b"10.0.0.1 26379"),
            ("c", b"10.0.0.2"),
            ("d", b"\xff\xfe 1"),
            ("e", b"::1 26379"),
        ];
        let registrations = registrations
            .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
            .into();
        let roster = Roster::read(&registrations);
        assert_eq!(roster.named.len(), 3);
        assert_eq!(roster.addresses().len(), 2);
        let unreadable: Vec<&str> = roster.unreadable.keys().map(String::as_str).collect();
        assert_eq!(unreadable, ["c", "d"]);
    }
}
