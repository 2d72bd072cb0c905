//! Variables that look like one of ours and are none: read by nobody, and their author believes otherwise.
//!
//! The environment is shared with everything else on a platform, so this only ever warns, and rather misses one than
//! complains of an ordinary name: short names must differ in the underscores alone.

use crate::vars::{Program, TABLE};

/// From this length on one wrong letter is a typing error, and not another word.
const LONG: usize = 7;
/// The same, for two.
const VERY_LONG: usize = 12;

/// redishappy's variables, which the watcher reads beside ours.
const REDISHAPPY: [&str; 5] = [
    "REDISHAPPY_CLUSTERS",
    "REDISHAPPY_SENTINELS",
    "REDISHAPPY_HAPROXY_TEMPLATE_PATH",
    "REDISHAPPY_HAPROXY_OUTPUT_PATH",
    "REDISHAPPY_HAPROXY_RELOAD_CMD",
];

/// A sentence for each of `names` that may be meant to be a setting of `program`.
pub fn typos(program: Program, names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut found: Vec<String> = names
        .into_iter()
        .filter_map(|name| {
            let meant = meant(program, &name)?;
            Some(format!(
                "{name} is no setting and has no effect; is {meant} meant?"
            ))
        })
        .collect();
    found.sort();
    found
}

fn meant(program: Program, name: &str) -> Option<String> {
    let known = |program: Option<Program>| {
        let read = move |variable: &&crate::vars::Variable| {
            program.is_none_or(|program| variable.who.includes(program))
        };
        let variables = TABLE.iter().filter(read);
        let ours = variables.flat_map(|variable| [Some(variable.name.to_owned()), variable.file_name()]);
        let theirs = REDISHAPPY.into_iter().map(|name| Some(name.to_owned()));
        ours.chain(theirs.filter(move |_| program.is_none_or(|program| program == Program::Watcher)))
    };
    if known(None).flatten().any(|known| known == name) {
        return None;
    }
    known(Some(program))
        .flatten()
        .map(|known| (distance(name, &known), known))
        .filter(|(distance, known)| is_slip(name, known, *distance))
        .min()
        .map(|(_, known)| known)
}

fn is_slip(name: &str, known: &str, distance: usize) -> bool {
    let letters = |text: &str| text.replace(['_', '-'], "").to_ascii_uppercase();
    if known.contains('_') && letters(name) == letters(known) {
        return true;
    }
    // What `X_FILE` adds makes two names no more alike.
    let own = known.strip_suffix("_FILE").unwrap_or(known);
    let allowed = match own.len() {
        VERY_LONG.. => 2,
        LONG.. => 1,
        _ => 0,
    };
    // A number at the end counts things: PORT2 is a port of Marathon's, and ZK_HOSTS2 somebody's second ensemble.
    let counts = name.ends_with(|c: char| c.is_ascii_digit());
    // Another beginning is another word: SSL_CERT_FILE is OpenSSL's.
    let same_start = name.as_bytes().first() == known.as_bytes().first();
    distance <= allowed && same_start && !counts
}

/// How many letters must be put in, taken out, changed, or swapped with their neighbour (optimal string alignment).
fn distance(one: &str, other: &str) -> usize {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let changed = row[j] + usize::from(a != b);
            let mut least = changed.min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && *a == other[j - 1] && one[i - 1] == *b {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_looks_like_ours_is_told_and_what_is_ordinary_is_not() {
        use Program::{RedisWrapper, SentinelWrapper, Watcher};
        for (program, name, expected) in [
            (RedisWrapper, "MASTERNAME", Some("MASTER_NAME")),
            (RedisWrapper, "ZK_HOST", Some("ZK_HOSTS")),
            (RedisWrapper, "ZKHOSTS", Some("ZK_HOSTS")),
            (RedisWrapper, "zk_hosts", Some("ZK_HOSTS")),
            (Watcher, "ZK_HOTSS", Some("ZK_HOSTS")),
            (SentinelWrapper, "SENTINEL_QUORUMS", Some("SENTINEL_QUORUM")),
            (SentinelWrapper, "SENTINAL_QUORM", Some("SENTINEL_QUORUM")),
            (RedisWrapper, "REDIS_PASWORD", Some("REDIS_PASSWORD")),
            (RedisWrapper, "REDIS_PASSWORDFILE", Some("REDIS_PASSWORD_FILE")),
            (RedisWrapper, "ADMINPORT", Some("ADMIN_PORT")),
            (RedisWrapper, "ANNOUNCE_HOST", Some("ANNOUNCE_PORT")),
            (RedisWrapper, "DATADIR", Some("DATA_DIR")),
            (RedisWrapper, "TLS_CRT", Some("TLS_CERT")),
            (Watcher, "REDISHAPPY_SENTINEL", Some("REDISHAPPY_SENTINELS")),
            (Watcher, "REDIS_HAPPY_CLUSTERS", Some("REDISHAPPY_CLUSTERS")),
            (Watcher, "REDISHAPPY_CLUSTERS", None),
            (RedisWrapper, "REDISHAPPY_SENTINEL", None),
            // Read by another program only.
            (Watcher, "SENTINEL_QUORUMS", None),
            (RedisWrapper, "SENTINEL_QUORUM", None),
        ] {
            assert_eq!(meant(program, name).as_deref(), expected, "{name}");
        }
        let ordinary = [
            "HOST",
            "HOSTS",
            "HOSTNAME",
            "PORT",
            "PORTS",
            "PORT0",
            "PORT1",
            "PORT2",
            "PORT10",
            "PATH",
            "HOME",
            "USER",
            "LANG",
            "SHELL",
            "TERM",
            "PWD",
            "TZ",
            "REDIS_HOST",
            "REDIS_PORT",
            "REDIS_URL",
            "REDIS_ADDR",
            "REDIS_DB",
            "REDIS_NODES",
            "REDIS_PASS",
            "REDIS_USERNAME",
            "REDIS_VERSION",
            "REDIS_SERVICE_HOST",
            "REDIS_SERVICE_PORT",
            "REDIS_PORT_6379_TCP",
            "SENTINEL_HOST",
            "SENTINEL_PORT",
            "SENTINEL_SERVICE_HOST",
            "ZK_PORT",
            "ZK_SERVICE_HOST",
            "ZK_SERVICE_PORT",
            "ZOOKEEPER_HOSTS",
            "MASTER",
            "MASTER_HOST",
            "MASTER_PORT",
            "MASTER_NODE",
            "MESOS_TASK_ID",
            "MARATHON_APP_ID",
            "LIBPROCESS_IP",
            "LOG_LEVEL",
            "LOG_FILE",
            "LOG_DIR",
            "RUST_BACKTRACE",
            "RUST_LIB_BACKTRACE",
            "TLS_CN",
            "BIND",
            "BIND_ADDR",
            "BIND_ADDRESS",
            "DATA",
            "DATA_ROOT",
            "ADMIN_HOST",
            "ADMIN_USER",
            "SSL_CERT_FILE",
            "SSL_CERT_DIR",
            "SSL_KEY_FILE",
            "KUBERNETES_PORT",
            "NOTIFY_SOCKET",
            "RELEASE",
            "HOST_IP",
            "NET_INTERFACE",
            "GOTLS_KEY",
        ];
        for program in Program::ALL {
            let told = typos(program, ordinary.map(str::to_owned));
            assert!(told.is_empty(), "{told:?}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_none_of_ours_is_a_typo(name in "\\PC{0,30}", at in 0..TABLE.len()) {
            for program in Program::ALL {
                let _ = meant(program, &name);
                prop_assert_eq!(meant(program, TABLE[at].name), None);
            }
            prop_assert_eq!(distance(&name, &name), 0);
        }
    }
}
