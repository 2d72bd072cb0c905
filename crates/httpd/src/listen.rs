//! Taking the port, before anything else starts: a port in use is the commonest mistake, and its error must come at once
//! and name the address.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Why the page cannot be served. Which setting to change is the caller's knowledge.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Somebody else listens there.
    #[error("{addr} is in use by another program; choose another port or stop that program")]
    InUse {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// No interface of this machine has the address.
    #[error("{addr} is no address of this machine; choose one of its own")]
    NotLocal {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// Low ports are root's.
    #[error("this user may not listen on {addr}; choose a port above 1023")]
    Denied {
        /// The address asked for.
        addr: SocketAddr,
    },
    /// Anything else the operating system said.
    #[error("cannot listen on {addr}")]
    Failed {
        /// The address asked for.
        addr: SocketAddr,
        /// What the operating system said.
        #[source]
        source: io::Error,
    },
}

/// A port that was taken, with nobody answering yet: connections wait.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: TcpListener,
    addr: SocketAddr,
}

impl Listener {
    /// Where it listens; the port is the real one where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }
}

/// Takes one address. Call it in the runtime.
pub fn bind(addr: SocketAddr) -> Result<Listener, HttpError> {
    let failed = |source: io::Error| {
        let is = |kind| source.kind() == kind;
        if is(io::ErrorKind::AddrInUse) {
            HttpError::InUse { addr }
        } else if is(io::ErrorKind::AddrNotAvailable) {
            HttpError::NotLocal { addr }
        } else if is(io::ErrorKind::PermissionDenied) {
            HttpError::Denied { addr }
        } else {
            HttpError::Failed { addr, source }
        }
    };
    let socket = listen(addr).map_err(failed)?;
    let addr = socket.local_addr().map_err(failed)?;
    Ok(Listener { socket, addr })
}

/// Takes `port` on every address of the machine: IPv6 and IPv4 by one socket, or IPv4 alone where IPv6 is off.
pub fn bind_wildcard(port: u16) -> Result<Listener, HttpError> {
    match bind(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
        // Trying the other family would only hide whose port it is.
        taken @ (Ok(_) | Err(HttpError::InUse { .. } | HttpError::Denied { .. })) => taken,
        Err(HttpError::NotLocal { .. } | HttpError::Failed { .. }) => {
            bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
        }
    }
}

fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if addr.is_ipv6() {
        // Otherwise the machine's bindv6only decides whether IPv4 clients are heard.
        socket.set_only_v6(!addr.ip().is_unspecified())?;
    }
    // A restarted program must not wait until its predecessor's connections are forgotten.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    socket.listen(128)?;
    TcpListener::from_std(socket.into())
}
