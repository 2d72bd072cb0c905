//! How the program reaches ZooKeeper.

use std::time::Duration;

use zkpaths::ZkRoot;

use crate::files::TlsFiles;
use crate::problem::Problem;
use crate::reader::{Outcome, Reader};
use crate::secret::Secret;
use crate::{vars, zookeeper_hosts};

/// How the program reaches ZooKeeper, and where the group's tree begins there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZooKeeperSettings {
    /// `host:port`, comma-separated; every port written out, IPv6 in brackets.
    pub hosts: String,
    /// The path under which the whole tree lives, if any.
    pub chroot: Option<String>,
    /// Where the tree begins, below the chroot.
    pub root: ZkRoot,
    /// The session timeout to ask for.
    pub session_timeout: Duration,
    /// `user:password` for the digest scheme.
    pub auth: Option<Secret>,
    /// TLS, where the ensemble wants it.
    pub tls: Option<TlsFiles>,
}

impl ZooKeeperSettings {
    /// Reads every `ZK_` variable.
    pub fn read(reader: &mut Reader<'_>) -> Outcome<Self> {
        let hosts = zookeeper_hosts::read(reader);
        let root = reader.word(&vars::ZK_ROOT);
        let allowed = Duration::from_secs(1)..=Duration::from_secs(60);
        let session_timeout = reader.duration(&vars::ZK_SESSION_TIMEOUT, allowed);
        let auth = auth(reader);
        let tls = TlsFiles::read_zookeeper(reader);
        let hosts = hosts?;
        Ok(Self {
            hosts: hosts.list,
            chroot: hosts.chroot,
            root: root?,
            session_timeout: session_timeout?,
            auth: auth?,
            tls: tls?,
        })
    }
}

fn auth(reader: &mut Reader<'_>) -> Outcome<Option<Secret>> {
    let auth = reader.secret(&vars::ZK_AUTH)?;
    let two_parts = |auth: &Secret| {
        auth.expose()
            .split_once(':')
            .is_some_and(|(user, password)| !user.is_empty() && !password.is_empty())
    };
    if auth.as_ref().is_none_or(two_parts) {
        return Ok(auth);
    }
    let wrong = "is not user:password; write both, with a colon between them";
    Err(reader.problem(Problem::new(vars::ZK_AUTH.name, wrong)))
}
