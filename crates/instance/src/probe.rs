//! What one look at a Redis tells about it.
//!
//! The difference between "nobody listens" and "no answer" matters: the first says that the process is gone, the second
//! may as well be our own network.

use topology::Addr;

use crate::{Dialer, InstanceError, Silence, Snapshot};

/// What one look at a Redis tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// It answered.
    Answered(Box<Snapshot>),
    /// It lives and reads its data set.
    Loading,
    /// It lives and is held by a script, for seconds or for ever.
    Busy,
    /// Nobody listens there.
    Refused,
    /// No answer before the deadline, no route, host down, stopped, or closed on us twice.
    Unreachable,
    /// It lives and does not answer the question: wrong password, ACL, TLS, not a Redis. The
    /// text says why and holds no secret.
    Denied(String),
}

pub(crate) async fn probe(dialer: &Dialer, addr: &Addr) -> Probe {
    let mut look = look(dialer, addr).await;
    // A connection that closes in the middle is a process that just ended; a second look tells.
    if matches!(
        &look,
        Err(InstanceError::Unreachable {
            silence: Silence::Closed,
            ..
        })
    ) {
        look = self::look(dialer, addr).await;
    }
    match look {
        Ok(snapshot) => Probe::Answered(Box::new(snapshot)),
        Err(InstanceError::Refused { .. }) => Probe::Refused,
        Err(InstanceError::Unreachable { .. }) => Probe::Unreachable,
        Err(InstanceError::Loading { .. }) => Probe::Loading,
        Err(InstanceError::Busy { .. }) => Probe::Busy,
        Err(
            error @ (InstanceError::Denied { .. }
            | InstanceError::ReadOnly { .. }
            | InstanceError::NoSuchMaster { .. }
            | InstanceError::Protocol { .. }
            | InstanceError::TlsFile { .. }),
        ) => Probe::Denied(error.to_string()),
    }
}

async fn look(dialer: &Dialer, addr: &Addr) -> Result<Snapshot, InstanceError> {
    dialer.redis(addr).await?.snapshot().await
}
