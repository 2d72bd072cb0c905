//! The scripts that Sentinel calls, and what they are told of the Sentinel that called.
//!
//! Sentinel hands a script its own environment and few arguments: neither where it listens nor its password. A script that asks back
//! would need both written down once more, so they are put into its environment. A secret only goes there where it was in
//! ours already, and otherwise by the name of the file that holds it; never into arguments, never into another file.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use instance::MasterReport;
use settings::{
    Bind, CredentialSettings, NetworkSettings, Outcome, Reader, RunAs, Secret, TlsFiles, script, vars,
};

use crate::view::Scripts;

const ADDRESS: &str = "EVENTILATOR_SENTINEL_ADDRESS";
const PORT: &str = "EVENTILATOR_SENTINEL_PORT";
const PASSWORD: &str = "EVENTILATOR_SENTINEL_PASSWORD";
const PASSWORD_FILE: &str = "EVENTILATOR_SENTINEL_PASSWORD_FILE";
const CA: &str = "EVENTILATOR_SENTINEL_CA";
const CERT: &str = "EVENTILATOR_SENTINEL_CERT";
const KEY: &str = "EVENTILATOR_SENTINEL_KEY";

/// What was said of scripts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks {
    /// The scripts.
    pub scripts: Wanted,
    /// What they are told; nothing where there are none.
    pub told: Told,
}

/// The scripts that Sentinel is to call, by their absolute paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wanted {
    /// For each event.
    pub notification: Option<String>,
    /// For each new master.
    pub client_reconfig: Option<String>,
}

/// What the scripts are told of their Sentinel; what the user has set in the environment is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// Where it listens, as seen from its host.
    pub address: Option<IpAddr>,
    /// Its port.
    pub port: Option<u16>,
    /// What it asks for.
    pub password: Option<Password>,
    /// The certificate authority that vouches for it, where it speaks TLS.
    pub ca: Option<PathBuf>,
    /// A certificate that it lets in, and its key.
    pub pair: Option<(PathBuf, PathBuf)>,
}

/// How a script learns the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// It was in our environment.
    Value(Secret),
    /// It is in this file.
    File(PathBuf),
}

impl Hooks {
    /// Reads `NOTIFICATION_SCRIPT` and `CLIENT_RECONFIG_SCRIPT`.
    pub fn read(
        reader: &mut Reader<'_>,
        run_as: &Outcome<Option<RunAs>>,
        network: &Outcome<NetworkSettings>,
        credentials: &Outcome<CredentialSettings>,
        tls: &Outcome<Option<TlsFiles>>,
    ) -> Outcome<Self> {
        let mut read = |variable| script(reader, variable, |path| program::can_run(run_as, path));
        let notification = read(&vars::NOTIFICATION_SCRIPT);
        let client_reconfig = read(&vars::CLIENT_RECONFIG_SCRIPT);
        let scripts = Wanted {
            notification: notification?,
            client_reconfig: client_reconfig?,
        };
        let told = match (network, credentials, tls) {
            (Ok(network), Ok(credentials), Ok(tls)) if scripts != Wanted::default() => Told {
                address: absent(reader, &[ADDRESS]).then(|| address(network)),
                port: absent(reader, &[PORT]).then_some(network.port),
                password: password(reader, run_as, credentials),
                // That the child can read these files is a condition of its start.
                ca: tls
                    .as_ref()
                    .filter(|_| absent(reader, &[CA]))
                    .map(|tls| tls.ca.clone()),
                pair: tls.as_ref().and_then(|tls| pair(reader, tls)),
            },
            _ => Told::default(),
        };
        Ok(Self { scripts, told })
    }
}

impl Wanted {
    /// Each with its word in a sentinel.conf.
    pub(crate) fn by_word(&self) -> [(&'static str, &Option<String>); 2] {
        [
            ("notification-script", &self.notification),
            ("client-reconfig-script", &self.client_reconfig),
        ]
    }

    /// Those that cannot be run at this moment: Sentinel would not start with one.
    pub(crate) fn lost(&self) -> BTreeSet<String> {
        let both = [&self.notification, &self.client_reconfig];
        let lost = both.into_iter().flatten().filter(|script| !runs(script));
        lost.cloned().collect()
    }

    /// What a Sentinel that reports this has made of them. Another script in the place of ours is somebody's will, and one
    /// that cannot be run is missed when it can.
    pub(crate) fn seen_in(&self, report: &MasterReport) -> Scripts {
        let missing = |wanted: &Option<String>, called: &Option<String>| {
            called.is_none() && wanted.as_deref().is_some_and(runs)
        };
        if missing(&self.notification, &report.notification_script)
            || missing(&self.client_reconfig, &report.client_reconfig_script)
        {
            Scripts::Missing
        } else {
            Scripts::InPlace
        }
    }
}

impl Told {
    /// As variables of the environment.
    pub fn variables(&self) -> Vec<(OsString, OsString)> {
        let address = self.address.map(|ip| (ADDRESS, ip.to_string().into()));
        let port = self.port.map(|port| (PORT, port.to_string().into()));
        let password = self.password.as_ref().map(|password| match password {
            Password::Value(secret) => (PASSWORD, secret.expose().into()),
            Password::File(path) => (PASSWORD_FILE, path.into()),
        });
        let ca = self.ca.as_ref().map(|ca| (CA, ca.into()));
        let (cert, key) = self
            .pair
            .as_ref()
            .map(|(cert, key)| ((CERT, cert.into()), (KEY, key.into())))
            .unzip();
        let all = [address, port, password, ca, cert, key].into_iter().flatten();
        all.map(|(name, value): (_, OsString)| (name.into(), value))
            .collect()
    }
}

fn runs(script: &str) -> bool {
    supervisor::may_run(Path::new(script)).is_ok()
}

fn absent(reader: &Reader<'_>, names: &[&str]) -> bool {
    names.iter().all(|name| reader.environment(name).is_none())
}

fn address(network: &NetworkSettings) -> IpAddr {
    match network.bind {
        Bind::Wildcard => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Bind::Address(ip) => ip,
    }
}

fn password(
    reader: &mut Reader<'_>,
    run_as: &Outcome<Option<RunAs>>,
    credentials: &CredentialSettings,
) -> Option<Password> {
    let secret = credentials.sentinel_password.clone()?;
    if !absent(reader, &[PASSWORD, PASSWORD_FILE]) {
        return None;
    }
    let Some(file) = reader.secret_file(&vars::SENTINEL_PASSWORD) else {
        return Some(Password::Value(secret));
    };
    // A pipe was read, and holds nothing any more.
    if file.is_file() && program::child_reads(run_as, &file) {
        return Some(Password::File(file));
    }
    reader.warn(format!(
        "the scripts of Sentinel cannot read the file of SENTINEL_PASSWORD, {}; where they ask Sentinel, set {PASSWORD_FILE} to one that they can read",
        file.display()
    ));
    None
}

/// A certificate of the user's does not go with a key of ours.
fn pair(reader: &Reader<'_>, tls: &TlsFiles) -> Option<(PathBuf, PathBuf)> {
    let ours = tls.cert.clone().zip(tls.key.clone());
    ours.filter(|_| absent(reader, &[CERT, KEY]))
}

#[cfg(test)]
mod tests;
