//! What no Redis of ours can run with, whatever is overridden.
//!
//! A line that comes later takes none of these back: a node of a Redis Cluster has no Sentinels, and a renamed command has no way to
//! its old name. So they are refused before anything is claimed.

use crate::template::{Placed, Template};

/// Commands that the wrappers, the Sentinels or a replica send by these names, with who does.
const NEEDED: &[(&str, &str)] = &[
    ("auth", "the wrapper, the Sentinels and the replicas"),
    ("client", "the wrapper and the Sentinels"),
    ("config", "the wrapper and the Sentinels"),
    ("exec", "the Sentinels"),
    ("info", "the wrapper and the Sentinels"),
    ("multi", "the Sentinels"),
    ("ping", "the wrapper, the Sentinels and the replicas"),
    ("psync", "the replicas"),
    ("publish", "the Sentinels"),
    ("replconf", "the replicas"),
    ("replicaof", "the wrapper"),
    ("role", "the wrapper"),
    ("script", "the wrapper and the Sentinels"),
    ("select", "the master, to its replicas"),
    ("shutdown", "the wrapper"),
    ("slaveof", "the Sentinels"),
    ("subscribe", "the Sentinels"),
];

/// Why no Redis of ours can run with these settings: the first reason in the order in which Redis reads them.
pub fn impossible(template: &Template) -> Option<String> {
    template
        .settings()
        .iter()
        .find_map(|placed| renamed(placed).or_else(|| cluster(placed, template)))
}

fn renamed(placed: &Placed) -> Option<String> {
    let setting = &placed.setting;
    let from = setting
        .values
        .first()
        .filter(|_| setting.name == "rename-command")?;
    let (name, who) = NEEDED.iter().find(|(name, _)| from.eq_ignore_ascii_case(name))?;
    Some(format!(
        "{}: the command {} is sent by {who} under this name; leave this `rename-command` out, and keep it from clients by ACL, for example `user default ... -{name}` beside a REDIS_USER that has it",
        placed.place(),
        name.to_ascii_uppercase(),
    ))
}

/// The last `cluster-enabled` counts, as for Redis.
fn cluster(placed: &Placed, template: &Template) -> Option<String> {
    let is_last = placed.setting.name == "cluster-enabled"
        && template
            .value("cluster-enabled")
            .is_some_and(|value| value.eq_ignore_ascii_case("yes"));
    is_last.then(|| {
        format!(
            "{}: a node of a Redis Cluster has no Sentinels; leave `cluster-enabled` out",
            placed.place()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_overridden_is_refused_with_its_place() {
        let table = [
            ("cluster-enabled yes", Some("line 1: a node of a Redis Cluster")),
            ("cluster-enabled YES", Some("leave `cluster-enabled` out")),
            ("cluster-enabled no", None),
            ("cluster-enabled yes\ncluster-enabled no", None),
            (
                "save 900 1\nrename-command CONFIG \"\"",
                Some("line 2: the command CONFIG"),
            ),
            ("rename-command FLUSHALL \"\"", None),
            ("rename-command WAIT hold", None),
            ("rename-command", None),
        ];
        for (text, part) in table {
            let found = impossible(&Template::parse(text));
            match part {
                Some(part) => assert!(
                    found.as_ref().is_some_and(|f| f.contains(part)),
                    "{text}: {found:?}"
                ),
                None => assert_eq!(found, None, "{text}"),
            }
        }
    }

    #[test]
    fn every_needed_command_keeps_its_name_in_whatever_case() {
        for (name, _) in NEEDED {
            let text = format!("Rename-Command \"{name}\" hidden\n");
            assert!(impossible(&Template::parse(&text)).is_some(), "{name}");
        }
    }
}
