//! What a `sentinel monitor` of another name points at.
//!
//! A Sentinel that watches our nodes under two names fails them over twice: nothing keeps the second group's votes in
//! step, and it promotes whom it likes. The stock sentinel.conf has such a line, `mymaster 127.0.0.1 6379`.

use std::collections::BTreeSet;

use topology::Addr;
use topology::conf_file::Setting;

use super::Fixed;
use crate::template::Template;
use crate::view::Seed;

/// A group of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) master: Addr,
}

/// The group that this setting has Sentinel monitor.
pub(super) fn monitored(setting: &Setting) -> Option<Group> {
    match &setting.values[..] {
        [word, name, host, port, _quorum]
            if setting.name == "sentinel" && word.eq_ignore_ascii_case("monitor") =>
        {
            let master = Addr::new(host, port.parse().ok()?).ok()?;
            let name = name.clone();
            Some(Group { name, master })
        }
        // Of what it cannot read Sentinel tells by itself.
        _ => None,
    }
}

/// The names under which the template has our own nodes watched a second time.
pub(super) fn doubles(template: &Template, fixed: &Fixed, seed: &Seed) -> BTreeSet<String> {
    let settings = template.lines().iter().filter_map(|line| line.setting.as_ref());
    settings
        .filter_map(monitored)
        .filter(|group| group.name != fixed.name.as_str() && is_ours(&group.master, fixed, seed))
        .map(|group| group.name)
        .collect()
}

/// Whether it is a node of ours, or stands where only one of ours can be meant: on this host.
fn is_ours(master: &Addr, fixed: &Fixed, seed: &Seed) -> bool {
    let same = |node: &Addr| node.port() == master.port() && same_host(node, master);
    here(master)
        || same_host(&fixed.announce, master)
        || same(&seed.master.addr)
        || seed.replicas.iter().any(same)
}

/// Loopback, or "any address", which is connected to as loopback.
fn here(addr: &Addr) -> bool {
    match addr.ip() {
        Some(ip) => {
            let ip = ip.to_canonical();
            ip.is_loopback() || ip.is_unspecified()
        }
        None => addr.host().eq_ignore_ascii_case("localhost"),
    }
}

fn same_host(one: &Addr, other: &Addr) -> bool {
    match (one.ip(), other.ip()) {
        (Some(one), Some(other)) => one.to_canonical() == other.to_canonical(),
        _ => one.host().eq_ignore_ascii_case(other.host()),
    }
}

/// The group that a `sentinel` setting is about, where it is about one.
pub(super) fn subject(values: &[String]) -> Option<&str> {
    let word = values.first()?.to_ascii_lowercase();
    match word.as_str() {
        // Their second word is a value.
        "myid"
        | "current-epoch"
        | "announce-ip"
        | "announce-port"
        | "announce-hostnames"
        | "resolve-hostnames"
        | "deny-scripts-reconfig"
        | "sentinel-user"
        | "sentinel-pass" => None,
        _ => values.get(1).map(String::as_str),
    }
}
