//! The system's log: a line for each event, to the local socket or to a server.
//!
//! The `syslog` crate is not used: it writes with std's blocking sockets, so a full `/dev/log` or a server that hangs would hold up its caller
//! without an end; it frames TCP by newlines, not by counting; and it writes what it is given, so that a line break in a
//! description would begin a line that nobody said.

mod facility;
mod line;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::net::{UdpSocket, UnixDatagram, lookup_host};
use tokio::time::timeout;

pub use self::facility::{Facility, UnknownFacility};
use super::SetupError;
use super::tcp::Peer;
use crate::message::Message;
use crate::sink::{Sink, SinkError, Trigger};

/// How long a server over TCP may take to say that it did not want it.
const PATIENCE: Duration = Duration::from_millis(200);
/// How long a host may take to say that nobody listens at a port of UDP. More than that is not to be known.
const REFUSAL: Duration = Duration::from_millis(50);
/// Syslog's port.
const PORT: u16 = 514;

/// Where the log is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyslogTo {
    /// A socket of this host: RFC 3164, as everybody writes there.
    Socket(PathBuf),
    /// A server: RFC 5424, one datagram each.
    Udp {
        /// Its name or address.
        host: String,
        /// Its port.
        port: u16,
    },
    /// A server: RFC 5424, with the length before each.
    Tcp {
        /// Its name or address.
        host: String,
        /// Its port.
        port: u16,
    },
}

impl Default for SyslogTo {
    fn default() -> Self {
        Self::Socket("/dev/log".into())
    }
}

/// A log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyslogConfig {
    /// The sink's name.
    pub name: String,
    /// Where it is.
    pub to: SyslogTo,
    /// As what we write.
    pub facility: Facility,
    /// As whom we write.
    pub tag: String,
    /// For which events.
    pub trigger: Trigger,
    /// For one line, all in all.
    pub timeout: Duration,
}

/// Tells a log.
#[derive(Debug)]
pub struct Syslog {
    config: SyslogConfig,
}

impl Syslog {
    /// Tells this log.
    pub fn new(config: SyslogConfig) -> Result<Self, SetupError> {
        let name = config.name.clone();
        match &config.to {
            SyslogTo::Socket(path) if path.as_os_str().is_empty() => Err(SetupError::NoPath {
                name,
                example: "/dev/log",
            }),
            SyslogTo::Udp { host, port } | SyslogTo::Tcp { host, port } if host.is_empty() || *port == 0 => {
                Err(SetupError::NoHost { name, example: PORT })
            }
            SyslogTo::Socket(_) | SyslogTo::Udp { .. } | SyslogTo::Tcp { .. } => Ok(Self { config }),
        }
    }

    async fn tell(&self, message: &Message) -> Result<(), SinkError> {
        let (facility, tag) = (self.config.facility, self.config.tag.as_str());
        let within = self.config.timeout;
        let (place, written) = match &self.config.to {
            SyslogTo::Socket(path) => {
                let line = line::rfc3164(message, facility, tag);
                let written = timeout(within, to_socket(path, line.as_bytes())).await;
                (path.display().to_string(), written)
            }
            SyslogTo::Udp { host, port } => {
                let line = line::rfc5424(message, facility, tag, line::DATAGRAM);
                let written = timeout(within, to_udp(host, *port, line.as_bytes())).await;
                (format!("{host} port {port}"), written)
            }
            SyslogTo::Tcp { host, port } => {
                let line = line::rfc5424(message, facility, tag, line::STREAM);
                let peer = Peer {
                    host,
                    port: *port,
                    within,
                    patience: PATIENCE,
                };
                let counted = format!("{} {line}", line.len());
                return peer.tell(counted.as_bytes()).await.map(|_| ());
            }
        };
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(SinkError::Failed(format!(
                "the log at {place} did not take it: {error}"
            ))),
            Err(_) => Err(SinkError::Failed(format!(
                "the log at {place} took nothing within {} ms",
                within.as_millis()
            ))),
        }
    }
}

/// Waits until there is room.
async fn to_socket(path: &Path, line: &[u8]) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    socket.send(line).await.map(|_| ())
}

async fn to_udp(host: &str, port: u16, line: &[u8]) -> io::Result<()> {
    let mut last = io::Error::other("the name has no address");
    for address in lookup_host((host, port)).await? {
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let sent = async {
            let socket = UdpSocket::bind(any).await?;
            socket.connect(address).await?;
            socket.send(line).await?;
            match timeout(REFUSAL, socket.recv(&mut [0; 1])).await {
                Ok(Err(refused)) => Err(refused),
                Ok(Ok(_)) | Err(_) => Ok(()),
            }
        };
        match sent.await {
            Ok(()) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

impl Sink for Syslog {
    fn name(&self) -> &str {
        &self.config.name
    }

    fn wants(&self, event: &str) -> bool {
        self.config.trigger.takes(event)
    }

    fn deadline(&self) -> Duration {
        self.config.timeout
    }

    fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), SinkError>> {
        Box::pin(self.tell(message))
    }
}

#[cfg(test)]
mod tests;
