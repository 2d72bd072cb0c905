//! The table of the Sentinel that calls, and who a person is to one.

use std::path::PathBuf;

use instance::TlsFiles;
use sinks::Secret;
use topology::Addr;

use super::Problems;
use super::section::Section;
use super::source::Source;
use crate::mode::Mode;

/// How to reach the Sentinel that calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SentinelConfig {
    /// Where it is, if that was said. Else its process's title tells.
    pub addr: Option<Addr>,
    /// Its ACL user.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<Secret>,
    /// The files of its TLS, which is spoken if there are any.
    pub tls: Option<TlsFiles>,
}

/// Reads the table.
pub(super) fn read(source: &mut Source<'_>, section: &mut Section) -> SentinelConfig {
    let host = source.text(section, "Address");
    let port: Option<u16> = source.parsed(section, "Port", "26379");
    let mut sentinel = SentinelConfig {
        addr: None,
        user: source.text(section, "User"),
        password: source.secret(section, "Password"),
        tls: tls(source, section),
    };
    if host.is_none() && port.is_none() {
        return sentinel;
    }
    match Addr::new(host.as_deref().unwrap_or("127.0.0.1"), port.unwrap_or(26379)) {
        Ok(addr) => sentinel.addr = Some(addr),
        Err(error) => source.problems.push(format!("[Sentinel] Address: {error}")),
    }
    sentinel
}

fn tls(source: &mut Source<'_>, section: &mut Section) -> Option<TlsFiles> {
    let mut file = |name| source.text(section, name).map(PathBuf::from);
    let (ca, cert, key) = (file("CA"), file("Cert"), file("Key"));
    let lacking = match (&ca, &cert, &key) {
        (None, Some(_), _) | (None, _, Some(_)) => {
            Some("Cert and Key are nothing without CA, the authority to trust; name its file")
        }
        (Some(_), Some(_), None) => Some("Cert is set and no Key; name the file with its private key"),
        (Some(_), None, Some(_)) => Some("Key is set and no Cert; name the file with its certificate"),
        (None | Some(_), None, None) | (Some(_), Some(_), Some(_)) => None,
    };
    if let Some(lacking) = lacking {
        source.problems.push(format!("[Sentinel] {lacking}"));
        return None;
    }
    ca.map(|ca| TlsFiles { ca, cert, key })
}

/// Who we are to a Sentinel, for what a person types: by the environment only, since arguments are shown to everybody.
pub fn sentinel_login(
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(Option<String>, Option<Secret>), Problems> {
    let mut source = Source::new(Mode::Eventilator.prefixes(), env);
    let mut section = Section::new("Sentinel", true);
    let user = source.text(&mut section, "User");
    let password = source.secret(&mut section, "Password");
    if source.problems.is_empty() {
        Ok((user, password))
    } else {
        Err(Problems(source.problems))
    }
}
