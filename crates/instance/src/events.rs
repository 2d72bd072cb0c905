//! What a Sentinel publishes, as a stream that cannot fall silent unnoticed.
//!
//! A cut network ends no TCP connection, and a subscriber that only listens would listen for ever. So the stream
//! asks for a sign of life every second, and ends with an error when none comes before the deadline. After the end
//! events may have been missed: connect again, and read the state.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use redis::{PushInfo, PushKind, Value, cmd};
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::{Instant, sleep_until};
use topology::{Addr, SentinelEvent};
use tracing::warn;

use crate::connection::Connection;
use crate::dialer::Kind;
use crate::{Dialer, InstanceError, Silence};

/// How often a sign of life is asked for.
const KEEPALIVE: Duration = Duration::from_secs(1);

/// Unread events that are kept. More are dropped: those that wait already say "look again".
const UNREAD: usize = 1024;

type Ping = Pin<Box<dyn Future<Output = Result<(), InstanceError>> + Send>>;

/// The events of one Sentinel.
pub struct EventStream {
    connection: Connection,
    published: Receiver<(String, String)>,
    /// The question that waits for its answer. Kept here, so that `next` may be cancelled.
    ping: Option<Ping>,
    next_ping: Instant,
}

impl EventStream {
    pub(crate) async fn open(dialer: &Dialer, addr: &Addr) -> Result<Self, InstanceError> {
        let (sender, published) = mpsc::channel(UNREAD);
        let push = move |info: PushInfo| match channel_and_payload(info) {
            Some(message) => sender.try_send(message).map_err(|_| redis::aio::SendError),
            None => Ok(()),
        };
        let connection = dialer.dial_pushing(addr, Kind::Sentinel, push).await?;
        connection.subscribe_all().await?;
        let next_ping = Instant::now() + KEEPALIVE;
        Ok(Self {
            connection,
            published,
            ping: None,
            next_ping,
        })
    }

    /// The next event. Waits for ever while the Sentinel is quiet and well; fails when the connection is lost or falls
    /// silent, and then the stream is over. May be cancelled and called again; nothing is lost by it.
    pub async fn next(&mut self) -> Result<SentinelEvent, InstanceError> {
        loop {
            let (due, none_asked) = (self.next_ping, self.ping.is_none());
            let message = tokio::select! {
                // Events that have arrived come before the news that nothing more will.
                biased;
                message = self.published.recv() => Some(message),
                answer = answered(&mut self.ping) => {
                    self.ping = None;
                    self.next_ping = Instant::now() + KEEPALIVE;
                    answer?;
                    None
                }
                () = sleep_until(due), if none_asked => {
                    let connection = self.connection.clone();
                    self.ping = Some(Box::pin(async move { connection.call("PING", &cmd("PING")).await }));
                    None
                }
            };
            let Some(message) = message else { continue };
            let Some((channel, payload)) = message else {
                return Err(InstanceError::silent(
                    self.connection.addr(),
                    "PSUBSCRIBE",
                    Silence::Closed,
                ));
            };
            match SentinelEvent::parse(&channel, &payload) {
                Ok(event) => return Ok(event),
                Err(error) => {
                    warn!(sentinel = %self.connection.addr(), reason = %error, "unreadable Sentinel event skipped");
                }
            }
        }
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventStream({})", self.connection.addr())
    }
}

/// The answer to the question that was asked; never, where none was.
async fn answered(ping: &mut Option<Ping>) -> Result<(), InstanceError> {
    match ping {
        Some(ping) => ping.await,
        None => std::future::pending().await,
    }
}

/// A published message is `pattern, channel, payload`; other pushes (confirmations) are none.
fn channel_and_payload(info: PushInfo) -> Option<(String, String)> {
    if info.kind != PushKind::PMessage {
        return None;
    }
    let [_pattern, channel, payload] = <[Value; 3]>::try_from(info.data).ok()?;
    let text = |value| redis::from_redis_value::<String>(value).ok();
    Some((text(channel)?, text(payload)?))
}
