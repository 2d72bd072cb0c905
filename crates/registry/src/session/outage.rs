//! Why ZooKeeper is out of reach, and when to say so.
//!
//! The client library calls a name that does not exist, a dead port and a silent host all "timeout". A person must know which, so
//! each server is knocked at once more, for the log alone; the attempts at the session do not wait for that.

use std::fmt;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

/// A connection that is lost is mostly back before anybody could read why.
const GRACE: Duration = Duration::from_secs(3);
/// Between two warnings of one outage.
const AGAIN: Duration = Duration::from_secs(60);
/// How long a resolver, and then a server, may take.
const KNOCK: Duration = Duration::from_secs(1);
const PORT: u16 = 2181;

/// The time without a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outage {
    pub(super) since: Instant,
    next: Instant,
}

impl Outage {
    /// One that begins with a lost connection, which was told.
    pub(super) fn lost(now: Instant) -> Self {
        Self {
            since: now,
            next: now + GRACE,
        }
    }

    /// One that begins with an attempt in vain.
    pub(super) fn in_vain(now: Instant) -> Self {
        Self {
            since: now,
            next: now,
        }
    }

    /// Whether its reason is to be told now; true at most once a minute.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let due = now >= self.next;
        if due {
            self.next = now + AGAIN;
        }
        due
    }
}

/// What is wrong with one server.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    /// Its name has no address.
    Unknown,
    /// Nobody listens.
    Refused,
    /// Nothing comes back, or there is no way.
    Silent,
    /// Somebody accepts the connection, and gives no session.
    NoSession,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "cannot be resolved (check the name in ZK_HOSTS, and the resolver)",
            Self::Refused => "refuses connections (check the port in ZK_HOSTS, and that ZooKeeper runs there)",
            Self::Silent => "does not answer (check the address in ZK_HOSTS, the network and its firewalls)",
            Self::NoSession => {
                "accepts connections and gives no session (check that it is a ZooKeeper, that most of its ensemble runs, and ZK_TLS_CA)"
            }
        })
    }
}

/// What is wrong with each of `hosts`, and what to look at.
pub(super) async fn diagnose(hosts: &str) -> String {
    let hosts: Vec<&str> = hosts.split(',').collect();
    let troubles = join_all(hosts.iter().map(|host| knock(host))).await;
    let said: Vec<String> = hosts
        .iter()
        .zip(troubles)
        .map(|(host, trouble)| format!("{host} {trouble}"))
        .collect();
    said.join(", ")
}

async fn knock(host: &str) -> Trouble {
    let host = host.split_once("://").map_or(host, |(_scheme, host)| host);
    let has_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| !port.ends_with(']'));
    let whole = if has_port {
        host.to_owned()
    } else {
        format!("{host}:{PORT}")
    };
    let Ok(Ok(addresses)) = timeout(KNOCK, lookup_host(whole)).await else {
        return Trouble::Unknown;
    };
    let mut trouble = Trouble::Unknown;
    for address in addresses {
        trouble = match timeout(KNOCK, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Trouble::NoSession,
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => Trouble::Refused,
            Ok(Err(_)) | Err(_) => Trouble::Silent,
        };
    }
    trouble
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_at_once_or_after_a_moment_and_then_once_a_minute() {
        let begin = Instant::now();
        let told = |mut outage: Outage| {
            let seconds = 0..200_u64;
            let due = |second: &u64| outage.is_due(begin + Duration::from_secs(*second));
            seconds.filter(due).collect::<Vec<u64>>()
        };
        assert_eq!(told(Outage::in_vain(begin)), [0, 60, 120, 180]);
        assert_eq!(told(Outage::lost(begin)), [3, 63, 123, 183]);
    }

    #[tokio::test]
    async fn each_server_has_its_own_reason() {
        let listening = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let refusing = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let [open, closed] = [&listening, &refusing].map(|at| at.local_addr().unwrap());
        drop(refusing);
        assert_eq!(knock(&open.to_string()).await, Trouble::NoSession);
        assert_eq!(knock(&format!("tcp+tls://{open}")).await, Trouble::NoSession);
        assert_eq!(knock(&closed.to_string()).await, Trouble::Refused);
        assert_eq!(knock("no-such-host.invalid").await, Trouble::Unknown);
        let said = diagnose(&format!("{closed},no-such-host.invalid:1")).await;
        assert!(
            said.contains(&format!("{closed} refuses connections"))
                && said.contains("no-such-host.invalid:1 cannot be resolved"),
            "{said}"
        );
    }
}
