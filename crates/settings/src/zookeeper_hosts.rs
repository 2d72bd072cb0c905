//! `ZK_HOSTS`: ZooKeeper's own connect string, checked here so that a typing error is not an ensemble that never answers.

use topology::Addr;
use zkpaths::ZkRoot;

use crate::problem::Problem;
use crate::reader::{Outcome, Reader};
use crate::vars;

/// The parts of a connect string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hosts {
    /// `host:port`, comma-separated.
    pub(crate) list: String,
    /// The path after the servers.
    pub(crate) chroot: Option<String>,
}

const PORT: u16 = 2181;
const REMEDY: &str =
    "write comma-separated host:port, then at most one absolute path, for example zk1:2181,zk2:2181/prod";

/// Reads `ZK_HOSTS`.
pub(crate) fn read(reader: &mut Reader<'_>) -> Outcome<Hosts> {
    // Mesos writes zk://user:password@host: that password must not be shown, so this case never shows the value.
    if let Some(said) = reader.said(&vars::ZK_HOSTS)?
        && said.text.contains('@')
    {
        let wrong = "holds credentials (an @); write only host:port there, and user:password in ZK_AUTH";
        return Err(reader.problem(Problem::new(said.name, wrong)));
    }
    reader.required(&vars::ZK_HOSTS, parse)
}

fn parse(text: &str) -> Result<Hosts, String> {
    let text = text.trim();
    let text = text.strip_prefix("zk://").unwrap_or(text);
    let (hosts, chroot) = match text.find('/') {
        Some(at) => text.split_at(at),
        None => (text, "/"),
    };
    let mut wrong: Vec<String> = Vec::new();
    let mut list: Vec<String> = Vec::new();
    for host in hosts.split(',') {
        match server(host.trim()) {
            Ok(server) => list.push(server),
            Err(why) if wrong.contains(&why) => {}
            Err(why) => wrong.push(why),
        }
    }
    let chroot = match chroot {
        "/" => None,
        path => parse_chroot(path).map_err(|why| wrong.push(why)).ok(),
    };
    if wrong.is_empty() {
        let list = list.join(",");
        Ok(Hosts { list, chroot })
    } else {
        Err(format!("{}; {REMEDY}", wrong.join(", and ")))
    }
}

fn parse_chroot(path: &str) -> Result<String, String> {
    // A colon or comma means that a server follows the path: ZooKeeper wants the path at the very end.
    if path.contains([',', ':']) {
        return Err(format!("has servers after the path `{path}`"));
    }
    let root: Result<ZkRoot, _> = path.parse();
    root.map(|root| root.as_str().to_owned())
        .map_err(|_| format!("ends in `{path}`, which is no path"))
}

fn server(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("has an empty entry".to_owned());
    }
    let has_port = match text.strip_prefix('[') {
        Some(rest) => !rest.ends_with(']'),
        None => text.contains(':'),
    };
    let whole = if has_port {
        text.to_owned()
    } else {
        format!("{text}:{PORT}")
    };
    let addr: Addr = whole
        .parse()
        .map_err(|_| format!("has an entry `{text}` that is no host:port"))?;
    let bracketed = text.starts_with('[');
    if bracketed != addr.host().contains(':') {
        return Err(format!(
            "has an entry `{text}` that is no host:port (brackets are for IPv6 only)"
        ));
    }
    Ok(addr.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn connect_strings() {
        for (text, list, chroot) in [
            ("localhost", "localhost:2181", None),
            ("zk1:2182, zk2", "zk1:2182,zk2:2181", None),
            ("zk://zk1,zk2/prod/eu/", "zk1:2181,zk2:2181", Some("/prod/eu")),
            ("zk1:2181/", "zk1:2181", None),
            ("[::1]:2182,[fe80::1]/x", "[::1]:2182,[fe80::1]:2181", Some("/x")),
            ("10.0.0.1:2181", "10.0.0.1:2181", None),
        ] {
            let expected = Hosts {
                list: list.to_owned(),
                chroot: chroot.map(str::to_owned),
            };
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn typing_errors_are_found() {
        for text in [
            "zk1,,zk2",
            ",",
            "zk1:",
            "zk1:0",
            "zk1:99999",
            "zk1:port",
            "::1:2181",
            "::1",
            "zk1/a,zk2/b",
            "zk1/a:2181",
            "zk 1",
            "http://zk1",
            "/only",
            "[zk1]:2181",
            "zk1//x",
            "zk1/../x",
            "[::1",
            "zk1:2181]",
        ] {
            assert!(parse(text).is_err(), "{text} was accepted: {:?}", parse(text));
        }
    }

    #[test]
    fn all_of_them_are_named_at_once() {
        let wrong = parse("zk1:x,zk2:2181,zk3:0,,zk4:y/a//b").unwrap_err();
        for word in ["`zk1:x`", "`zk3:0`", "`zk4:y`", "an empty entry", "`/a//b`"] {
            assert!(wrong.contains(word), "{word} is not in {wrong}");
        }
        assert!(!wrong.contains("`zk2"), "{wrong}");
    }

    proptest! {
        #[test]
        fn never_panics_and_reads_its_own_result(text in "[a-z0-9:,/\\[\\]. ]{0,40}|\\PC*") {
            if let Ok(hosts) = parse(&text) {
                let again = format!("{}{}", hosts.list, hosts.chroot.clone().unwrap_or_default());
                prop_assert_eq!(parse(&again), Ok(hosts));
            }
        }
    }
}
