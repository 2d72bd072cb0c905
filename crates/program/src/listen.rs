//! Where a supervised server will listen, and whether it can.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use settings::{Bind, NetworkSettings};

/// Somebody else listens where the server should.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {addr}; choose another PORT0, or end what listens there")]
pub struct PortTaken {
    addr: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// The admin page cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("ADMIN_PORT is {port} (PORT1, where ADMIN_PORT is unset), and the page cannot be served there")]
pub struct AdminPort {
    port: u16,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

impl AdminPort {
    /// Of this port, and why not.
    pub fn new(port: u16, source: impl Error + Send + Sync + 'static) -> Self {
        let source = Box::new(source);
        Self { port, source }
    }
}

/// Checks that a server's port is free, before anything is recorded: a wrapper whose server cannot start must not have
/// claimed anything, and must not mistake somebody else's server for its own.
pub fn port_is_free(network: &NetworkSettings) -> Result<(), PortTaken> {
    for ip in listens_on(network.bind) {
        let addr = SocketAddr::new(ip, network.port);
        match TcpListener::bind(addr) {
            Ok(_) => {}
            // A host without IPv6 has no such address to listen on.
            Err(error)
                if ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED)
                    && error.kind() != std::io::ErrorKind::AddrInUse => {}
            Err(source) => return Err(PortTaken { addr, source }),
        }
    }
    Ok(())
}

/// The addresses a server is told to listen on. Loopback is always among them: health checks come from there.
pub fn listens_on(bind: Bind) -> Vec<IpAddr> {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    match bind {
        Bind::Wildcard => vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
        Bind::Address(ip) if ip == loopback => vec![ip],
        Bind::Address(ip) => vec![ip, loopback],
    }
}
