//! What an operator writes: which socket, and which servers stand for whom. `{name}` is the group's name.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use topology::{Addr, MasterName};

/// Where a HAProxy listens for commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Socket {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A port. Whoever reaches it rules that HAProxy: it has no password.
    Tcp(Addr),
}

/// Why a text is no socket or template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Neither a path nor an address.
    #[error("`{0}` is no socket of HAProxy; write a path or host:port, for example /run/haproxy/admin.sock")]
    Socket(String),
    /// Not `backend/server`.
    #[error("`{0}` names no server; write backend/server, for example {{name}}/master")]
    Server(String),
    /// No name of a backend.
    #[error("`{0}` names no backend; write a name, for example {{name}}-replicas")]
    Backend(String),
}

impl FromStr for Socket {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let wrong = || TemplateError::Socket(text.to_owned());
        let path = text.strip_prefix("unix@").unwrap_or(text);
        if path.starts_with('/') {
            return Ok(Self::Unix(path.into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| wrong())
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(addr) => write!(f, "{addr}"),
        }
    }
}

/// `backend/server`, with `{name}` for the group's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTemplate {
    backend: String,
    server: String,
}

/// The name of a backend, with `{name}` for the group's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendTemplate(String);

/// One server of one backend.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ServerName {
    pub(super) backend: String,
    pub(super) server: String,
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.backend, self.server)
    }
}

impl FromStr for ServerTemplate {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        match text.split_once('/') {
            Some((backend, server)) if is_name(backend) && is_name(server) => Ok(Self {
                backend: backend.to_owned(),
                server: server.to_owned(),
            }),
            Some(_) | None => Err(TemplateError::Server(text.to_owned())),
        }
    }
}

impl FromStr for BackendTemplate {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        if is_name(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(TemplateError::Backend(text.to_owned()))
        }
    }
}

impl ServerTemplate {
    pub(super) fn of(&self, group: &MasterName) -> ServerName {
        ServerName {
            backend: filled(&self.backend, group),
            server: filled(&self.server, group),
        }
    }
}

impl BackendTemplate {
    pub(super) fn of(&self, group: &MasterName) -> String {
        filled(&self.0, group)
    }
}

fn filled(template: &str, group: &MasterName) -> String {
    template.replace("{name}", group.as_str())
}

/// What HAProxy takes as a name, and nothing that would end a command and begin another.
fn is_name(template: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    !template.is_empty() && template.len() <= 256 && template.replace("{name}", "x").chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_paths_or_addresses() {
        for (text, shown) in [
            ("/run/haproxy/admin.sock", "/run/haproxy/admin.sock"),
            ("unix@/run/h.sock", "/run/h.sock"),
            ("127.0.0.1:9999", "127.0.0.1:9999"),
            ("[::1]:9999", "[::1]:9999"),
        ] {
            assert_eq!(text.parse::<Socket>().unwrap().to_string(), shown);
        }
        for text in ["", "haproxy.sock", "127.0.0.1", "host:0"] {
            assert_eq!(
                text.parse::<Socket>(),
                Err(TemplateError::Socket(text.to_owned()))
            );
        }
    }

    #[test]
    fn names_are_filled_in_and_never_end_a_command() {
        let group: MasterName = "sessions".parse().unwrap();
        let server: ServerTemplate = "bk_{name}/R_{name}_1".parse().unwrap();
        assert_eq!(server.of(&group).to_string(), "bk_sessions/R_sessions_1");
        let backend: BackendTemplate = "{name}-replicas".parse().unwrap();
        assert_eq!(backend.of(&group), "sessions-replicas");
        for wrong in ["", "a", "a/", "/b", "a/b/c", "a;x/b", "a/b c", "a/b\n", "{nom}/b"] {
            assert!(wrong.parse::<ServerTemplate>().is_err(), "{wrong}");
        }
        for wrong in ["", "a/b", "a b", "a;b", "{}"] {
            assert!(wrong.parse::<BackendTemplate>().is_err(), "{wrong}");
        }
    }
}
