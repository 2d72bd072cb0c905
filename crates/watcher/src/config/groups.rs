//! `GROUPS`: the groups to watch, each with a tree of its own; or else the one of `MASTER_NAME` at `ZK_ROOT`. And `SENTINELS`, who are asked
//! where there is no ZooKeeper, and then no tree.

use settings::{GroupSettings, Outcome, Problem, Reader, vars};
use topology::{Addr, MasterName};
use zkpaths::ZkRoot;

use super::WatchedGroup;

/// Reads `SENTINELS`.
pub(super) fn sentinels(reader: &mut Reader<'_>) -> Outcome<Option<Vec<Addr>>> {
    reader.optional(&vars::SENTINELS, |text| {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let addresses: Vec<Addr> = entries
            .map(|entry| {
                entry
                    .parse()
                    .map_err(|error: topology::AddrError| error.to_string())
            })
            .collect::<Result<_, _>>()?;
        if addresses.is_empty() {
            return Err("names no Sentinel; write host:port".to_owned());
        }
        Ok(addresses)
    })
}

/// Whether a group has a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// It has one in ZooKeeper.
    Tree,
    /// There is no ZooKeeper.
    Nowhere,
}

/// Reads `GROUPS`, `MASTER_NAME` and `EXTERNAL_PORT`.
pub(super) fn read(reader: &mut Reader<'_>, root: &ZkRoot, place: Place) -> Outcome<Vec<WatchedGroup>> {
    let several = reader.optional(&vars::GROUPS, |text| parse(text, place, root));
    let group = GroupSettings::read(reader);
    let external_port = reader.port(&vars::EXTERNAL_PORT);
    let Some(groups) = several? else {
        return Ok(vec![WatchedGroup {
            name: group?.name,
            root: root.clone(),
            external_port: external_port?,
        }]);
    };
    if external_port?.is_some() {
        let wrong =
            "is set, and so is GROUPS; write the port into GROUPS, for example sessions=/redis/sessions:7000";
        return Err(reader.problem(Problem::new(vars::EXTERNAL_PORT.name, wrong)));
    }
    reader.holds(&vars::MASTER_NAME, None::<&str>);
    Ok(groups)
}

/// `name=root[:port],...`, every group with a tree of its own; without trees `name[:port],...`.
fn parse(text: &str, place: Place, nowhere: &ZkRoot) -> Result<Vec<WatchedGroup>, String> {
    let mut groups: Vec<WatchedGroup> = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let (group, form) = match place {
            Place::Tree => (with_tree(entry), "name=root or name=root:port"),
            Place::Nowhere => (without_tree(entry, nowhere), "name or name:port"),
        };
        let group = group.map_err(|wrong| format!("has `{entry}`, {wrong}; write {form}"))?;
        if let Some(other) = groups.iter().find(|other| other.name == group.name) {
            return Err(format!("names the group `{}` twice; keep one", other.name));
        }
        if place == Place::Tree && groups.iter().any(|other| other.root == group.root) {
            return Err(format!(
                "gives {} to two groups; each needs a tree of its own",
                group.root
            ));
        }
        groups.push(group);
    }
    if groups.is_empty() {
        return Err("names no group; write its name".to_owned());
    }
    Ok(groups)
}

fn with_tree(entry: &str) -> Result<WatchedGroup, String> {
    let (name, place) = entry.split_once('=').ok_or("which has no `=`")?;
    let (root, external_port) = with_port(place)?;
    Ok(WatchedGroup {
        name: named(name)?,
        root: root.trim().parse::<ZkRoot>().map_err(|error| error.to_string())?,
        external_port,
    })
}

fn without_tree(entry: &str, nowhere: &ZkRoot) -> Result<WatchedGroup, String> {
    let (name, external_port) = with_port(entry)?;
    Ok(WatchedGroup {
        name: named(name)?,
        root: nowhere.clone(),
        external_port,
    })
}

fn named(name: &str) -> Result<MasterName, String> {
    name.trim()
        .parse::<MasterName>()
        .map_err(|error| error.to_string())
}

fn with_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let Some((before, port)) = text.rsplit_once(':') else {
        return Ok((text, None));
    };
    let port = port.trim().parse().ok().filter(|port| *port != 0);
    Ok((
        before,
        Some(port.ok_or("whose port is not a number from 1 to 65535")?),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trees(text: &str) -> Result<Vec<WatchedGroup>, String> {
        parse(text, Place::Tree, &"/redis".parse().expect("a root"))
    }

    #[test]
    fn several_groups_with_and_without_ports() {
        let groups = trees("sessions=/redis/sessions:7000, cache=/redis/cache,").expect("fine");
        let shown: Vec<String> = groups
            .iter()
            .map(|group| format!("{} {} {:?}", group.name, group.root, group.external_port))
            .collect();
        assert_eq!(
            shown,
            ["sessions /redis/sessions Some(7000)", "cache /redis/cache None"]
        );
    }

    #[test]
    fn without_zookeeper_there_are_no_trees() {
        let groups = parse(
            "sessions:7000,cache",
            Place::Nowhere,
            &"/redis".parse().expect("a root"),
        );
        let groups = groups.expect("fine");
        assert_eq!(
            (groups[0].name.as_str(), groups[0].external_port),
            ("sessions", Some(7000))
        );
        assert_eq!(
            (groups[1].name.as_str(), groups[1].external_port),
            ("cache", None)
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("", "no group"),
            ("sessions", "no `=`"),
            ("a=/x,a=/y", "`a` twice"),
            ("a=/x,b=/x", "/x to two groups"),
            ("a=/x:0", "port"),
            ("a=x", "a=x"),
            ("a b=/x", "a b"),
        ] {
            let wrong = trees(text).expect_err(text);
            assert!(wrong.contains(part), "{text}: {wrong}");
        }
    }
}
