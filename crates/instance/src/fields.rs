//! The field and value pairs in which a Sentinel describes a master, a replica or another Sentinel.

use std::collections::HashMap;
use std::str::FromStr;

use topology::Addr;

use crate::InstanceError;

/// One description, and what to call it in errors.
pub(crate) struct Fields<'a> {
    addr: &'a Addr,
    command: &'static str,
    pairs: HashMap<String, String>,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(addr: &'a Addr, command: &'static str, pairs: HashMap<String, String>) -> Self {
        Self { addr, command, pairs }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.pairs.get(name).map(String::as_str)
    }

    /// A field that must be there.
    pub(crate) fn read<T: FromStr>(&self, name: &str) -> Result<T, InstanceError> {
        self.optional(name).ok_or_else(|| self.unreadable(name))
    }

    /// A field that some versions or states do not have.
    pub(crate) fn optional<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// The address under `ip` and `port`.
    pub(crate) fn addr(&self) -> Result<Addr, InstanceError> {
        let host = self.text("ip").ok_or_else(|| self.unreadable("ip"))?;
        Addr::new(host, self.read("port")?).map_err(|_| self.unreadable("ip"))
    }

    fn unreadable(&self, name: &str) -> InstanceError {
        InstanceError::protocol(self.addr, self.command, format!("no readable {name}"))
    }
}
