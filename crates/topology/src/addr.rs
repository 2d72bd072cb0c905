//! The address of a Redis or a Sentinel, as others are told to use it.
//!
//! An address is written in two ways, both read by other people's clients: `host port` in ZooKeeper (the
//! original redis-zk contract) and `host:port` in logs and lists, with brackets round an IPv6 host.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Host (IP address or name) and port of one server. Two spellings of one IP address are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Addr {
    host: String,
    port: u16,
}

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddrError {
    /// No port, or nothing before it.
    #[error("`{0}` is not an address; write host:port, for example 10.0.0.7:6379")]
    Shape(String),
    /// The port is no number between 1 and 65535.
    #[error("`{0}` has no port between 1 and 65535")]
    Port(String),
    /// The host holds white space or control characters, or is empty.
    #[error("`{0}` is not a host; write an IP address or a host name")]
    Host(String),
}

impl Addr {
    /// An address from its parts. IP addresses are brought to their usual spelling.
    pub fn new(host: &str, port: u16) -> Result<Self, AddrError> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Self::checked(ip.to_string(), port);
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if host.is_empty() || host.len() > 253 || !host.chars().all(plain) {
            return Err(AddrError::Host(host.to_owned()));
        }
        Self::checked(host.to_ascii_lowercase(), port)
    }

    fn checked(host: String, port: u16) -> Result<Self, AddrError> {
        if port == 0 {
            return Err(AddrError::Port(format!("{host}:0")));
        }
        Ok(Self { host, port })
    }

    /// An address from an IP address; `None` for port 0, which nobody can connect to.
    pub fn from_ip(ip: IpAddr, port: u16) -> Option<Self> {
        Self::checked(ip.to_string(), port).ok()
    }

    /// The host without brackets: an IP address or a name.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host as an IP address, where it is one.
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// The whole as a socket address, where the host is an IP address.
    pub fn socket(&self) -> Option<SocketAddr> {
        self.ip().map(|ip| SocketAddr::new(ip, self.port))
    }

    /// The form of the ZooKeeper contract: `host port`, one space, no newline.
    pub fn contract(&self) -> String {
        format!("{} {}", self.host, self.port)
    }

    /// Reads the contract form. White space round it is accepted, as old writers left some.
    pub fn from_contract(text: &str) -> Result<Self, AddrError> {
        let mut words = text.split_ascii_whitespace();
        let (Some(host), Some(port), None) = (words.next(), words.next(), words.next()) else {
            return Err(AddrError::Shape(text.to_owned()));
        };
        let port = port.parse().map_err(|_| AddrError::Port(text.to_owned()))?;
        Self::new(host, port)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Addr {
    type Err = AddrError;

    fn from_str(text: &str) -> Result<Self, AddrError> {
        let shape = || AddrError::Shape(text.to_owned());
        let (host, port) = text.rsplit_once(':').ok_or_else(shape)?;
        if host.contains(':') && !(host.starts_with('[') && host.ends_with(']')) {
            return Err(shape());
        }
        let port = port.parse().map_err(|_| AddrError::Port(text.to_owned()))?;
        Self::new(host, port)
    }
}

impl From<SocketAddr> for Addr {
    fn from(socket: SocketAddr) -> Self {
        Self {
            host: socket.ip().to_string(),
            port: socket.port(),
        }
    }
}

impl Serialize for Addr {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Addr {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
