//! The configuration file that redis-server is started with: pure text from values.
//!
//! The user's template comes first, by `include` (copied where it names a master, which no later line undoes), so that what the wrapper must decide stands after it and wins. The
//! role is part of the file: a Redis that is to be a replica never runs, not even for one command, as a master.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use topology::Addr;
use topology::conf_file::quote;

use crate::template::Template;

/// Everything that decides the text.
#[derive(Debug, Clone)]
pub struct Rendering<'a> {
    /// What the generated lines build on.
    pub base: Base<'a>,
    /// The lines that the arguments after `--` stand for.
    pub arguments: &'a str,
    /// What base and arguments say.
    pub template: &'a Template,
    /// Addresses to listen on; empty for all.
    pub bind: Vec<String>,
    /// Port to listen on.
    pub port: u16,
    /// Address that others are told.
    pub announce: &'a Addr,
    /// Directory of the data set, whose lock we hold; what the template says about it is in here already.
    pub data_dir: &'a Path,
    /// Master to replicate; `None` to be one.
    pub replica_of: Option<&'a Addr>,
    /// Secrets.
    pub access: Access<'a>,
    /// Certificates, where TLS is on.
    pub tls: Option<Tls<'a>>,
}

/// The settings under ours.
#[derive(Debug, Clone)]
pub enum Base<'a> {
    /// The user's file, included where it is.
    Include(&'a Path),
    /// The built-in copy of conf/redis.conf.
    BuiltIn(&'a str),
}

/// Who may connect, and as whom a replica connects to its master.
#[derive(Debug, Clone, Default)]
pub struct Access<'a> {
    /// ACL user; the default user if unset.
    pub user: Option<&'a str>,
    /// Password.
    pub password: Option<&'a str>,
}

/// Certificate files.
#[derive(Debug, Clone)]
pub struct Tls<'a> {
    /// Certificate authority.
    pub ca: &'a Path,
    /// Own certificate.
    pub cert: Option<&'a PathBuf>,
    /// Its key.
    pub key: Option<&'a PathBuf>,
}

/// The whole file.
pub fn render(rendering: &Rendering<'_>) -> String {
    let mut file = Lines(String::from(
        "# Written by redis-wrapper at every start; changes here are lost.\n",
    ));
    if rendering.template.names_a_master() {
        file.0.push_str(
            "# A copy of the template and what it includes, without the lines that name a master.\n",
        );
        file.0.push_str(&rendering.template.without_a_master());
    } else {
        match rendering.base {
            Base::Include(path) => file.line("include", &[&path.to_string_lossy()]),
            Base::BuiltIn(text) => file.0.push_str(text),
        }
        if !rendering.arguments.is_empty() {
            file.0.push_str("\n# After --.\n");
            file.0.push_str(rendering.arguments);
        }
    }
    file.0.push_str("\n# Decided by redis-wrapper.\n");
    network(&mut file, rendering);
    process(&mut file, rendering);
    access(&mut file, rendering);
    replication(&mut file, rendering);
    if let Some(master) = rendering.replica_of {
        file.line("replicaof", &[master.host(), &master.port().to_string()]);
    }
    file.0
}

fn network(file: &mut Lines, rendering: &Rendering<'_>) {
    let port = rendering.port.to_string();
    if let Some(tls) = &rendering.tls {
        file.line("port", &["0"]);
        file.line("tls-port", &[&port]);
        file.line("tls-replication", &["yes"]);
        file.line("tls-ca-cert-file", &[&tls.ca.to_string_lossy()]);
        for (name, path) in [("tls-cert-file", tls.cert), ("tls-key-file", tls.key)] {
            if let Some(path) = path {
                file.line(name, &[&path.to_string_lossy()]);
            }
        }
    } else {
        file.line("port", &[&port]);
        // A Redis built without TLS does not know the word.
        if rendering.template.value("tls-port").is_some() {
            file.line("tls-port", &["0"]);
        }
    }
    let everywhere = ["*".to_owned(), "-::*".to_owned()];
    let bind = if rendering.bind.is_empty() {
        &everywhere[..]
    } else {
        &rendering.bind
    };
    file.line("bind", &bind.iter().map(String::as_str).collect::<Vec<_>>());
    file.line("replica-announce-ip", &[rendering.announce.host()]);
    file.line("replica-announce-port", &[&rendering.announce.port().to_string()]);
    // Peers connect from other hosts; who may do so is for the password and the network to say.
    file.line("protected-mode", &["no"]);
}

fn replication(file: &mut Lines, rendering: &Rendering<'_>) {
    let says = |name| rendering.template.value(name).is_some();
    // An old master that comes back, or one that was fenced, is a replica and must not take writes.
    if says("replica-read-only") || says("slave-read-only") {
        file.line("replica-read-only", &["yes"]);
    }
    // A Redis before 6.2 does not know the word.
    if says("replica-announced") {
        file.line("replica-announced", &["yes"]);
    }
}

fn process(file: &mut Lines, rendering: &Rendering<'_>) {
    file.line("daemonize", &["no"]);
    file.line("supervised", &["no"]);
    file.line("logfile", &[""]);
    file.line("syslog-enabled", &["no"]);
    // Absolute, so that it is where it was locked, wherever a `dir` line before it has led.
    file.line("dir", &[&rendering.data_dir.to_string_lossy()]);
}

fn access(file: &mut Lines, rendering: &Rendering<'_>) {
    let template = rendering.template;
    let password = rendering.access.password;
    let master_password = password.or_else(|| template.value("requirepass"));
    if let Some(password) = password {
        if let Some(user) = rendering.access.user
            && !template.defines_user(user)
        {
            file.line(
                "user",
                &[user, "on", &format!(">{password}"), "~*", "&*", "+@all"],
            );
        }
        if !template.defines_user("default") {
            file.line("requirepass", &[password]);
        }
    }
    if let Some(user) = rendering.access.user {
        file.line("masteruser", &[user]);
    }
    // Without it a master that becomes a replica cannot reach its successor.
    let own_auth = password.is_none() && template.value("masterauth").is_some();
    if let Some(password) = master_password
        && !own_auth
    {
        file.line("masterauth", &[password]);
    }
}

struct Lines(String);

impl Lines {
    fn line(&mut self, name: &str, values: &[&str]) {
        let values: Vec<String> = values.iter().map(|value| quote(value)).collect();
        let _ = writeln!(self.0, "{name} {}", values.join(" "));
    }
}

#[cfg(test)]
mod tests;
