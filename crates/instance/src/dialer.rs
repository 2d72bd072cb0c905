//! Opens connections: every one with the same credentials, TLS and deadlines.
//!
//! Dialling covers the name lookup, TCP, TLS and the greeting (`HELLO 3` with the credentials) under one
//! deadline, so that a server whose kernel accepts but whose process is stopped counts as not reached.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{AsyncPushSender, AsyncStream, MultiplexedConnection};
use redis::{AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo};
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use topology::Addr;

use crate::connection::Connection;
use crate::lasting::{LastingRedis, LastingSentinel};
use crate::probe::{self, Probe};
use crate::{InstanceError, Redis, Sentinel, Silence, TlsFiles, tls};

/// How errors call the opening of a connection.
const CONNECT: &str = "the connection";

/// Who we are to a server. `Debug` shows no password.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// ACL user; Redis' `default` when only a password is given.
    pub user: Option<String>,
    /// Password; none means no authentication.
    pub password: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "<redacted>"))
            .finish()
    }
}

/// What every connection of a program has in common.
#[derive(Debug, Clone)]
pub struct DialSettings {
    /// For Redis servers.
    pub redis: Credentials,
    /// For Sentinels.
    pub sentinel: Credentials,
    /// TLS for both, or plain text.
    pub tls: Option<TlsFiles>,
    /// For opening a connection, name lookup, handshake and authentication included.
    pub connect_deadline: Duration,
    /// For each answer.
    pub response_deadline: Duration,
    /// After so much silence the other host is asked for a sign of life, and after three that stay unanswered, as long apart, the
    /// connection ends: a subscription is silent for hours, and would not notice that its host is gone. None: the system's own.
    pub keep_alive: Option<Duration>,
}

/// Opens connections. Clones are cheap and share the TLS configuration.
#[derive(Clone)]
pub struct Dialer {
    shared: Arc<Shared>,
    connect_deadline: Duration,
    response_deadline: Duration,
}

struct Shared {
    redis: RedisConnectionInfo,
    sentinel: RedisConnectionInfo,
    tls: Option<TlsConnector>,
    keep_alive: Option<TcpKeepalive>,
}

/// Which credentials a connection carries.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Redis,
    Sentinel,
}

type Stream = Pin<Box<dyn AsyncStream + Send + Sync>>;

impl Dialer {
    /// Reads and checks the TLS files; opens nothing yet.
    pub fn new(settings: DialSettings) -> Result<Self, InstanceError> {
        let DialSettings {
            redis,
            sentinel,
            tls,
            connect_deadline,
            response_deadline,
            keep_alive,
        } = settings;
        let probing = |time| {
            TcpKeepalive::new()
                .with_time(time)
                .with_interval(time)
                .with_retries(3)
        };
        let shared = Shared {
            redis: greeting(&redis),
            sentinel: greeting(&sentinel),
            tls: tls.as_ref().map(tls::connector).transpose()?,
            keep_alive: keep_alive.map(probing),
        };
        Ok(Self {
            shared: Arc::new(shared),
            connect_deadline,
            response_deadline,
        })
    }

    /// The same with other deadlines: `deadline` for connecting and for each answer.
    #[must_use]
    pub fn within(&self, deadline: Duration) -> Self {
        Self {
            shared: self.shared.clone(),
            connect_deadline: deadline,
            response_deadline: deadline,
        }
    }

    /// Connects to a Redis.
    pub async fn redis(&self, addr: &Addr) -> Result<Redis, InstanceError> {
        Ok(Redis::new(self.dial(addr, Kind::Redis).await?))
    }

    /// Connects to a Redis, connecting and each answer within `deadline`.
    pub async fn redis_within(&self, addr: &Addr, deadline: Duration) -> Result<Redis, InstanceError> {
        self.within(deadline).redis(addr).await
    }

    /// Connects to a Sentinel.
    pub async fn sentinel(&self, addr: &Addr) -> Result<Sentinel, InstanceError> {
        Ok(Sentinel::new(
            self.dial(addr, Kind::Sentinel).await?,
            self.clone(),
        ))
    }

    /// A handle to one Redis that connects when needed, for as long as the program runs.
    pub fn lasting_redis(&self, addr: &Addr) -> LastingRedis {
        LastingRedis::new(self.clone(), addr.clone())
    }

    /// A handle to one Sentinel that connects when needed, for as long as the program runs.
    pub fn lasting_sentinel(&self, addr: &Addr) -> LastingSentinel {
        LastingSentinel::new(self.clone(), addr.clone())
    }

    /// Looks at one Redis over a connection of its own. Never fails: not answering is an answer.
    ///
    /// Takes at most twice the deadlines together, as a connection that closes in the middle is tried once more.
    pub async fn probe(&self, addr: &Addr) -> Probe {
        probe::probe(self, addr).await
    }

    pub(crate) async fn dial(&self, addr: &Addr, kind: Kind) -> Result<Connection, InstanceError> {
        self.dial_with(addr, kind, AsyncConnectionConfig::new()).await
    }

    /// Opens a connection whose published messages go to `pushes`.
    pub(crate) async fn dial_pushing(
        &self,
        addr: &Addr,
        kind: Kind,
        pushes: impl AsyncPushSender,
    ) -> Result<Connection, InstanceError> {
        let config = AsyncConnectionConfig::new().set_push_sender(pushes);
        self.dial_with(addr, kind, config).await
    }

    async fn dial_with(
        &self,
        addr: &Addr,
        kind: Kind,
        config: AsyncConnectionConfig,
    ) -> Result<Connection, InstanceError> {
        let late = |_| InstanceError::silent(addr, CONNECT, Silence::Deadline);
        timeout(self.connect_deadline, self.open(addr, kind, config))
            .await
            .unwrap_or_else(|elapsed| Err(late(elapsed)))
    }

    async fn open(
        &self,
        addr: &Addr,
        kind: Kind,
        config: AsyncConnectionConfig,
    ) -> Result<Connection, InstanceError> {
        let stream = self
            .stream(addr)
            .await
            .map_err(|error| InstanceError::from_io(addr, CONNECT, &error))?;
        let greeting = match kind {
            Kind::Redis => &self.shared.redis,
            Kind::Sentinel => &self.shared.sentinel,
        };
        let config = config.set_response_timeout(Some(self.response_deadline));
        let (wire, driver) = MultiplexedConnection::new_with_config(greeting, stream, config)
            .await
            .map_err(|error| InstanceError::from_redis(addr, CONNECT, &error))?;
        Ok(Connection::new(addr.clone(), wire, driver))
    }

    async fn stream(&self, addr: &Addr) -> io::Result<Stream> {
        let tcp = self.tcp(addr).await?;
        tcp.set_nodelay(true)?;
        if let Some(keep_alive) = &self.shared.keep_alive {
            SockRef::from(&tcp).set_tcp_keepalive(keep_alive)?;
        }
        let Some(tls) = &self.shared.tls else {
            return Ok(Box::pin(tcp));
        };
        let name = ServerName::try_from(addr.host().to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Box::pin(tls.connect(name, tcp).await?))
    }

    /// A name may stand for several addresses. Each gets its share of the time, so that a black hole in front
    /// does not use up all of it.
    async fn tcp(&self, addr: &Addr) -> io::Result<TcpStream> {
        let targets: Vec<SocketAddr> = match addr.socket() {
            Some(socket) => vec![socket],
            None => tokio::net::lookup_host((addr.host(), addr.port()))
                .await?
                .collect(),
        };
        let share = self.connect_deadline / u32::try_from(targets.len().max(1)).unwrap_or(u32::MAX);
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for target in targets {
            match timeout(share, TcpStream::connect(target)).await {
                Ok(Ok(stream)) => return Ok(stream),
                // "Nobody listens" is only true when it is true of every address.
                Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    if last.kind() == io::ErrorKind::NotFound {
                        last = error;
                    }
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, "no answer before the deadline"),
            }
        }
        Err(last)
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("tls", &self.shared.tls.is_some())
            .field("connect_deadline", &self.connect_deadline)
            .field("response_deadline", &self.response_deadline)
            .finish_non_exhaustive()
    }
}

/// `HELLO 3` and nothing else: it passes while a server loads or runs a script, needs no ACL rule, and accepts a
/// password where the server does not ask for one yet, so that passwords can be rolled out.
fn greeting(credentials: &Credentials) -> RedisConnectionInfo {
    let mut info = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_skip_set_lib_name();
    if let Some(password) = &credentials.password {
        info = info
            .set_username(credentials.user.as_deref().unwrap_or("default"))
            .set_password(password);
    }
    info
}
