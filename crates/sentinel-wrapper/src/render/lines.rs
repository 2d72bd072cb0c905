//! The lines that are ours.

use std::fmt::Write;
use std::net::IpAddr;

use topology::Addr;
use topology::conf_file::quote;

use super::{Fixed, unwanted_sentinel};
use crate::template::Template;
use crate::view::Seed;

/// Writes what the wrapper decides.
pub(super) fn ours(text: &mut String, template: &Template, fixed: &Fixed, seed: &Seed) {
    // Writing to a String cannot fail.
    let mut line = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| quote(word)).collect();
        let _ = writeln!(text, "{}", words.join(" "));
    };
    let port = fixed.port.to_string();
    match &fixed.tls {
        None => line(&["port", &port]),
        Some(tls) => {
            line(&["port", "0"]);
            line(&["tls-port", &port]);
            line(&["tls-replication", "yes"]);
            line(&["tls-ca-cert-file", &tls.ca.display().to_string()]);
            for (name, file) in [("tls-cert-file", &tls.cert), ("tls-key-file", &tls.key)] {
                if let Some(file) = file {
                    line(&[name, &file.display().to_string()]);
                }
            }
        }
    }
    let bind = bind(fixed.bind);
    line(
        &[
            &["bind"],
            &bind.iter().map(String::as_str).collect::<Vec<_>>()[..],
        ]
        .concat(),
    );
    line(&["protected-mode", "no"]);
    line(&["daemonize", "no"]);
    line(&["logfile", ""]);
    line(&["dir", &fixed.dir.display().to_string()]);
    if let Some(password) = &fixed.secrets.sentinel_password {
        line(&["requirepass", password]);
        line(&["sentinel", "sentinel-pass", password]);
    }
    line(&["sentinel", "myid", seed.id.as_str()]);
    line(&["sentinel", "announce-ip", fixed.announce.host()]);
    line(&["sentinel", "announce-port", &fixed.announce.port().to_string()]);
    if seed.master.addr.ip().is_none() && !mentions(template, "resolve-hostnames", None) {
        line(&["sentinel", "resolve-hostnames", "yes"]);
        line(&["sentinel", "announce-hostnames", "yes"]);
    }
    group(&mut line, template, fixed, seed);
}

fn group(line: &mut impl FnMut(&[&str]), template: &Template, fixed: &Fixed, seed: &Seed) {
    let name = fixed.name.as_str();
    let mut of_group = |word: &str, values: &[&str]| line(&[&["sentinel", word, name], values].concat());
    let at = |addr: &Addr| (addr.host().to_owned(), addr.port().to_string());
    let (host, port) = at(&seed.master.addr);
    of_group("monitor", &[&host, &port, &fixed.quorum.to_string()]);
    let timings = [
        (
            "down-after-milliseconds",
            fixed.down_after.value().as_millis().to_string(),
        ),
        (
            "failover-timeout",
            fixed.failover_timeout.value().as_millis().to_string(),
        ),
        ("parallel-syncs", fixed.parallel_syncs.value().to_string()),
    ];
    for (word, value) in &timings {
        let chosen = unwanted_sentinel(&[(*word).to_owned(), name.to_owned()], fixed).is_some();
        if chosen || !mentions(template, word, Some(name)) {
            of_group(word, &[value]);
        }
    }
    for (word, script) in fixed.scripts.by_word() {
        if let Some(script) = script
            && !fixed.lost.contains(script)
        {
            of_group(word, &[script]);
        }
    }
    let secrets = &fixed.secrets;
    for (word, secret) in [
        ("auth-user", &secrets.redis_user),
        ("auth-pass", &secrets.redis_password),
    ] {
        if let Some(secret) = secret {
            of_group(word, &[secret]);
        }
    }
    of_group("config-epoch", &[&seed.master.epoch.to_string()]);
    of_group("leader-epoch", &[&seed.epoch.to_string()]);
    for addr in seed
        .replicas
        .iter()
        .filter(|replica| **replica != seed.master.addr)
    {
        let (host, port) = at(addr);
        of_group("known-replica", &[&host, &port]);
    }
    for peer in seed
        .peers
        .iter()
        .filter(|peer| peer.id != seed.id && peer.addr != fixed.announce)
    {
        let (host, port) = at(&peer.addr);
        of_group("known-sentinel", &[&host, &port, peer.id.as_str()]);
    }
    line(&["sentinel", "current-epoch", &seed.epoch.to_string()]);
}

/// Whether the template has `sentinel <word>`, of that group where one is named.
fn mentions(template: &Template, word: &str, name: Option<&str>) -> bool {
    let settings = template.lines().iter().filter_map(|line| line.setting.as_ref());
    let mut sentinels = settings.filter(|setting| setting.name == "sentinel");
    sentinels.any(|setting| {
        let first = setting
            .values
            .first()
            .is_some_and(|first| first.eq_ignore_ascii_case(word));
        first && name.is_none_or(|name| setting.values.get(1).is_some_and(|of| of == name))
    })
}

/// What to listen on: the announced interface first, since old Sentinels connect from the first address, and loopback
/// for health checks that come from there. A loopback that does not exist here is passed over (`-`).
pub(super) fn bind(ip: Option<IpAddr>) -> Vec<String> {
    let Some(own) = ip else {
        return vec!["*".to_owned(), "-::*".to_owned()];
    };
    let loopback = if own.is_ipv4() { "127.0.0.1" } else { "::1" };
    let mut addresses = vec![own.to_string()];
    if own.to_string() != loopback {
        addresses.push(format!("-{loopback}"));
    }
    // Mesos' health checks speak IPv4 only.
    if own.is_ipv6() {
        addresses.push("-127.0.0.1".to_owned());
    }
    addresses
}
