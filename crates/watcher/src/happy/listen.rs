//! Where the pages are, in the forms of redishappy's HTTP framework: `:8000`, `host:port`. Its other forms (a Unix socket, an
//! inherited descriptor, Einhorn) are refused by name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Where the pages are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// On every address of the host.
    Everywhere {
        /// The port.
        port: u16,
    },
    /// On this one alone.
    At(SocketAddr),
}

/// redishappy's own port.
pub(super) const USUAL: u16 = 8000;

impl Listen {
    /// The port.
    pub fn port(self) -> u16 {
        match self {
            Self::Everywhere { port } => port,
            Self::At(addr) => addr.port(),
        }
    }

    /// Reads `-bind` or `BIND`; the error says what the text is not, and what to write instead.
    pub(super) fn bind(text: &str) -> Result<Self, String> {
        let remedy = "write :port or address:port, for example :8000 or 127.0.0.1:8000";
        let text = text.trim();
        if text.starts_with("fd@") || text.starts_with("einhorn@") {
            let wrong = "is an inherited socket, which this program does not take over";
            return Err(format!("{wrong}; {remedy}"));
        }
        if text.starts_with(['/', '.']) || text.starts_with("unix@") || text.starts_with("unix:") {
            let wrong = "is a Unix socket, where this program does not listen";
            return Err(format!("{wrong}; {remedy}"));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(format!("has no port; {remedy}"));
        };
        let port = Self::port_of(port).map_err(|wrong| format!("{wrong}; {remedy}"))?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let ip = match bare.unwrap_or(host) {
            "" | "*" => return Ok(Self::Everywhere { port }),
            name if bare.is_none() && name.contains(':') => {
                return Err(format!("has an IPv6 address without brackets; {remedy}"));
            }
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            name => name
                .parse()
                .map_err(|_| format!("has a host that is no IP address; {remedy}"))?,
        };
        if ip.is_unspecified() {
            return Ok(Self::Everywhere { port });
        }
        Ok(Self::At(SocketAddr::new(ip, port)))
    }

    /// Reads `PORT`.
    pub(super) fn everywhere(text: &str) -> Result<Self, String> {
        let port =
            Self::port_of(text.trim()).map_err(|wrong| format!("{wrong}; write a port, for example 8000"))?;
        Ok(Self::Everywhere { port })
    }

    fn port_of(text: &str) -> Result<u16, String> {
        match text.parse() {
            Ok(0) | Err(_) => Err("has no port between 1 and 65535".to_owned()),
            Ok(port) => Ok(port),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everywhere { port } => write!(f, ":{port}"),
            Self::At(addr) => addr.fmt(f),
        }
    }
}
