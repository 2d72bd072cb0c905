//! What can go wrong with ZooKeeper, sorted by what a caller may do about it. The client library's own errors stay in
//! this crate: of most of them only "applied or not" matters.

use std::path::PathBuf;
use std::time::Duration;

use zkpaths::ZkPath;
use zookeeper_client::Error as ZkError;

/// ZooKeeper cannot be used, or did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RegistryError {
    /// The list of servers cannot be read.
    #[error(
        "`{hosts}` is no list of ZooKeeper servers ({reason}); set ZK_HOSTS like `zk1:2181,zk2:2181/chroot`"
    )]
    Hosts {
        /// What was given.
        hosts: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A TLS file cannot be used.
    #[error("TLS file `{}` for ZooKeeper is not usable: {reason}", .file.display())]
    Tls {
        /// The file.
        file: PathBuf,
        /// Why not.
        reason: String,
    },
    /// No server answered.
    #[error("no ZooKeeper server of `{hosts}` answered within {waited:?}; check ZK_HOSTS and the ensemble")]
    Unreachable {
        /// The servers.
        hosts: String,
        /// How long it was tried.
        waited: Duration,
    },
    /// ZooKeeper answered, and refused.
    #[error("ZooKeeper at `{hosts}` denies access to {path}; check ZK_AUTH and the ACL of that znode")]
    Denied {
        /// The servers.
        hosts: String,
        /// What was refused.
        path: String,
    },
    /// There is no session now, so nothing was sent.
    #[error("no ZooKeeper session with `{hosts}` at the moment; nothing was sent, try again")]
    Unavailable {
        /// The servers.
        hosts: String,
    },
    /// A read got no answer, or the connection ended before it.
    #[error("ZooKeeper did not answer about {path}; try again")]
    NoAnswer {
        /// What was asked for.
        path: String,
    },
    /// A write was sent and it is not known whether it was applied, or will be.
    #[error("ZooKeeper did not confirm a write to {path}, it may have been applied; read it again")]
    Unknown {
        /// What was written.
        path: String,
    },
    /// ZooKeeper refused for another reason.
    #[error("ZooKeeper refused an operation on {path}")]
    Refused {
        /// What it was about.
        path: String,
        /// Its reason.
        #[source]
        source: ZkError,
    },
    /// This registry was closed.
    #[error("the ZooKeeper session was closed by this program")]
    Closed,
}

/// Why a transaction was not, or perhaps not, committed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// A znode has another version than expected. Nothing was written.
    #[error("{path} was changed by someone else; read it again and decide anew")]
    Conflict {
        /// Which znode.
        path: ZkPath,
    },
    /// A znode does not exist. Nothing was written.
    #[error("{path} does not exist")]
    Missing {
        /// Which znode.
        path: ZkPath,
    },
    /// The writes were sent and it is not known whether they were applied, or will be.
    #[error("ZooKeeper did not confirm the writes, they may have been applied; read again before deciding")]
    Unknown,
    /// Nothing was written: no session, access denied, closed, or refused.
    #[error("nothing was written to ZooKeeper")]
    Unavailable(#[source] RegistryError),
}

/// Why a lock was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LockError {
    /// Someone else held it for the whole time.
    #[error("the lock {path} was not free within {waited:?}")]
    Deadline {
        /// The lock's directory.
        path: ZkPath,
        /// How long was waited.
        waited: Duration,
        /// Who has it, by their own word; `None` if it is free by now, or nobody could say.
        holder: Option<String>,
    },
    /// ZooKeeper cannot be used.
    #[error("the lock could not be asked for")]
    Unavailable(#[source] RegistryError),
}

/// What an error of the client library means for a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// No such znode; nothing was done.
    Missing,
    /// The znode exists; nothing was done.
    Exists,
    /// Another version; nothing was done.
    Version,
    /// Not allowed; nothing was done.
    Denied,
    /// Refused for another reason; nothing was done.
    Refused(ZkError),
    /// Not known to have been done, nor not to have been.
    Unknown,
}

impl From<ZkError> for Fault {
    fn from(error: ZkError) -> Self {
        use ZkError as E;
        if error == E::NoNode {
            Fault::Missing
        } else if error == E::NodeExists {
            Fault::Exists
        } else if error == E::BadVersion {
            Fault::Version
        } else if matches!(error, E::NoAuth | E::AuthFailed) {
            Fault::Denied
        } else if matches!(
            error,
            E::NotEmpty
                | E::NoChildrenForEphemerals
                | E::InvalidAcl
                | E::NotReadOnly
                | E::QuotaExceeded
                | E::Throttled
                | E::MarshallingError
                | E::Unimplemented
                | E::BadArguments(_)
        ) {
            Fault::Refused(error)
        } else {
            // A connection that ends is ConnectionLoss, Custom(..) or Timeout, depending on how it ended; and what
            // this list does not know must not be called "not done".
            Fault::Unknown
        }
    }
}
