//! The settings as parameters of the edges: which ZooKeeper, and what connections to Redis and Sentinel carry.

use std::time::Duration;

use instance::{Credentials, DialSettings};
use registry::Connect;
use settings::{CredentialSettings, Secret, TlsFiles, ZooKeeperSettings};

/// How ZooKeeper is reached.
pub fn zookeeper(settings: &ZooKeeperSettings) -> Connect {
    Connect {
        hosts: settings.hosts.clone(),
        chroot: settings.chroot.clone(),
        session_timeout: settings.session_timeout,
        auth: exposed(settings.auth.as_ref()),
        tls: settings
            .tls
            .clone()
            .map(|TlsFiles { ca, cert, key }| registry::TlsFiles { ca, cert, key }),
    }
}

/// What connections to Redis and Sentinel carry.
pub fn dialing(credentials: &CredentialSettings, tls: Option<&TlsFiles>) -> DialSettings {
    DialSettings {
        redis: Credentials {
            user: credentials.redis_user.clone(),
            password: exposed(credentials.redis_password.as_ref()),
        },
        sentinel: Credentials {
            user: None,
            password: exposed(credentials.sentinel_password.as_ref()),
        },
        tls: tls
            .cloned()
            .map(|TlsFiles { ca, cert, key }| instance::TlsFiles { ca, cert, key }),
        connect_deadline: Duration::from_millis(800),
        response_deadline: Duration::from_millis(1500),
        keep_alive: Some(Duration::from_secs(10)),
    }
}

fn exposed(secret: Option<&Secret>) -> Option<String> {
    secret.map(|secret| secret.expose().to_owned())
}
