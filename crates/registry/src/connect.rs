//! Where ZooKeeper is and how to get in. Everything that can be wrong with it is found here, before the first
//! connection, because the client library reports a bad name, a dead port and a refused handshake all as "timeout".

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zookeeper_client::{Acl, Acls, AuthId, Client, Connector, Permission, SessionInfo, TlsOptions};

use crate::RegistryError;

/// Where ZooKeeper is and how to get in.
#[derive(Clone)]
pub struct Connect {
    /// `host:port,host:port`; a host may begin with `tcp+tls://`. A chroot at the end counts if `chroot` has none.
    pub hosts: String,
    /// An absolute path under which everything happens; made if missing.
    pub chroot: Option<String>,
    /// How long ZooKeeper keeps our session, and with it our ephemerals, when it does not hear from us.
    pub session_timeout: Duration,
    /// `user:password` for digest authentication.
    pub auth: Option<String>,
    /// With these, hosts without a scheme are connected to by TLS as well.
    pub tls: Option<TlsFiles>,
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect")
            .field("hosts", &self.hosts)
            .field("chroot", &self.chroot)
            .field("session_timeout", &self.session_timeout)
            .field("auth", &self.auth.as_ref().map(|_| "<redacted>"))
            .field("tls", &self.tls)
            .finish()
    }
}

/// PEM files for TLS.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Whom to trust; the system's own list is not used.
    pub ca: PathBuf,
    /// Our certificate, with its key, if the server asks for one.
    pub cert: Option<PathBuf>,
    /// The key of `cert`.
    pub key: Option<PathBuf>,
}

/// [`Connect`], checked and ready to use again and again.
pub(crate) struct Dial {
    pub(crate) hosts: String,
    pub(crate) chroot: Option<String>,
    pub(crate) session_timeout: Duration,
    auth: Option<String>,
    tls: Option<TlsOptions>,
    acl: Vec<Acl>,
}

impl Dial {
    pub(crate) fn new(connect: Connect) -> Result<Self, RegistryError> {
        let (hosts, embedded) = split_chroot(&connect.hosts);
        let hosts = checked_hosts(hosts)?;
        let chroot = match connect.chroot.as_deref().or(embedded) {
            None => None,
            Some(text) => checked_chroot(&connect.hosts, text)?,
        };
        if connect.tls.is_none() && hosts.contains("tcp+tls://") {
            return Err(RegistryError::Hosts {
                hosts,
                reason: "tcp+tls:// needs the file of a certificate authority",
            });
        }
        let tls = connect.tls.as_ref().map(tls_options).transpose()?;
        let acl = acl(connect.auth.is_some());
        Ok(Self {
            hosts,
            chroot,
            session_timeout: connect.session_timeout,
            auth: connect.auth,
            tls,
            acl,
        })
    }

    /// Who may do what with the znodes that we make.
    pub(crate) fn acls(&self) -> Acls<'_> {
        Acls::new(&self.acl)
    }

    /// One attempt: each server once. With `session`, that session or an error; otherwise a new one.
    pub(crate) async fn attempt(
        &self,
        session: Option<SessionInfo>,
    ) -> Result<Client, zookeeper_client::Error> {
        let mut connector: Connector = Client::connector()
            .with_session_timeout(self.session_timeout)
            .with_fail_eagerly();
        if let Some(session) = session {
            connector = connector.with_session(session);
        }
        if let Some(auth) = &self.auth {
            connector = connector.with_auth("digest", auth.as_bytes());
        }
        match &self.tls {
            None => connector.connect(&self.hosts).await,
            Some(tls) => connector.with_tls(tls.clone()).secure_connect(&self.hosts).await,
        }
    }
}

/// Without credentials everybody may do everything, since wrappers of older releases share the tree. With them, only
/// their owner writes, and everybody still reads: the contract is for other people's clients.
fn acl(authenticated: bool) -> Vec<Acl> {
    if authenticated {
        vec![
            Acl::new(Permission::ALL, AuthId::authed()),
            Acl::new(Permission::READ, AuthId::anyone()),
        ]
    } else {
        vec![Acl::new(Permission::ALL, AuthId::anyone())]
    }
}

fn split_chroot(text: &str) -> (&str, Option<&str>) {
    let last = text.rfind(',').map_or(0, |comma| comma + 1);
    let begin = text[last..].find("://").map_or(last, |scheme| last + scheme + 3);
    match text[begin..].find('/') {
        None => (text, None),
        Some(slash) => (&text[..begin + slash], Some(&text[begin + slash..])),
    }
}

fn checked_hosts(text: &str) -> Result<String, RegistryError> {
    let bad = |reason| RegistryError::Hosts {
        hosts: text.to_owned(),
        reason,
    };
    let mut hosts = Vec::new();
    for host in text.split(',').map(str::trim) {
        let name = match host.split_once("://") {
            None => host,
            Some(("tcp" | "tcp+tls", name)) => name,
            Some(_) => return Err(bad("only tcp:// and tcp+tls:// are known")),
        };
        let (name, port) = match name.rsplit_once(':') {
            Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
            Some(_) | None => (name, None),
        };
        if name.is_empty() || name.contains([' ', '/', '@']) {
            return Err(bad("a host is empty or no host name"));
        }
        if name.contains(':') && !name.starts_with('[') {
            return Err(bad("an IPv6 address needs brackets, such as [::1]:2181"));
        }
        if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port != 0)) {
            return Err(bad("a port is not a number from 1 to 65535"));
        }
        hosts.push(host);
    }
    Ok(hosts.join(","))
}

fn checked_chroot(hosts: &str, text: &str) -> Result<Option<String>, RegistryError> {
    let path = text.trim_end_matches('/');
    if path.is_empty() {
        return Ok(None);
    }
    path.parse::<zkpaths::ZkRoot>()
        .map(|root| Some(root.as_str().to_owned()))
        .map_err(|_| RegistryError::Hosts {
            hosts: hosts.to_owned(),
            reason: "the chroot is not an absolute path",
        })
}

fn tls_options(files: &TlsFiles) -> Result<TlsOptions, RegistryError> {
    let bad = |file: &Path, reason: String| RegistryError::Tls {
        file: file.to_owned(),
        reason,
    };
    let read = |file: &Path| std::fs::read_to_string(file).map_err(|error| bad(file, error.to_string()));
    // The process needs exactly one provider; another part of the program may have chosen it already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let options = TlsOptions::new()
        .with_pem_ca(&read(&files.ca)?)
        .map_err(|error| bad(&files.ca, error.to_string()))?;
    match (&files.cert, &files.key) {
        (None, None) => Ok(options),
        (Some(cert), Some(key)) => options
            .with_pem_identity(&read(cert)?, &read(key)?)
            .map_err(|error| bad(cert, error.to_string())),
        (Some(only), None) | (None, Some(only)) => Err(bad(
            only,
            "a certificate and its key are given together or not at all".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dial(hosts: &str) -> Result<Dial, RegistryError> {
        Dial::new(Connect {
            hosts: hosts.to_owned(),
            chroot: None,
            session_timeout: Duration::from_secs(4),
            auth: None,
            tls: None,
        })
    }

    #[test]
    fn hosts_and_chroot_are_told_apart() {
        for (text, hosts, chroot) in [
            ("localhost:2181", "localhost:2181", None),
            ("a,b:2182/", "a,b:2182", None),
            ("a, b:2182/x/y/", "a,b:2182", Some("/x/y")),
            ("tcp://a:1/x", "tcp://a:1", Some("/x")),
            ("[::1]:2181,[::2]", "[::1]:2181,[::2]", None),
        ] {
            let dial = dial(text).unwrap();
            assert_eq!(
                (dial.hosts.as_str(), dial.chroot.as_deref()),
                (hosts, chroot),
                "{text}"
            );
        }
    }

    #[test]
    fn a_bad_list_is_refused_before_the_first_connection() {
        for text in [
            "",
            "a,,b",
            "a:0",
            "a:x",
            "::1:2181",
            "zk://a:1",
            "tcp+tls://a:1",
            "a:1/x//y",
            "a b:1",
        ] {
            let error = dial(text).map(|_| ()).unwrap_err().to_string();
            assert!(error.contains("ZK_HOSTS"), "{text}: {error}");
        }
    }

    #[test]
    fn debug_hides_the_password() {
        let connect = Connect {
            hosts: "a".to_owned(),
            chroot: None,
            session_timeout: Duration::from_secs(4),
            auth: Some("user:hunter2".to_owned()),
            tls: None,
        };
        assert!(!format!("{connect:?}").contains("hunter2"));
    }

    #[test]
    fn a_missing_tls_file_is_named() {
        let connect = Connect {
            hosts: "a".to_owned(),
            chroot: None,
            session_timeout: Duration::from_secs(4),
            auth: None,
            tls: Some(TlsFiles {
                ca: "/nowhere/ca.pem".into(),
                cert: None,
                key: None,
            }),
        };
        let error = Dial::new(connect).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains("/nowhere/ca.pem"), "{error}");
    }
}
