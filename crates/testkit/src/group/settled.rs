//! Does the group work? Asked of every server, so that our programs' own opinion is not enough.

use topology::{Addr, Role};

use super::{Node, RedisNode, RunningGroup, SentinelNode};
use crate::http;
use crate::wire::records;

/// The master's index, or the first thing that is not as it should be.
pub(super) async fn look(group: &RunningGroup) -> Result<usize, String> {
    let (index, master) = one_master(group).await?;
    let living: Vec<&RedisNode> = group.redis.iter().filter(|node| node.is_alive()).collect();
    for node in living.iter().filter(|node| *node.addr() != master) {
        let link = node.info("master_link_status").await;
        if link.as_deref() != Some("up") {
            return Err(format!("{}'s link is {link:?}", node.addr()));
        }
    }
    let recorded = group.zk.get(&group.path("master")).await;
    if recorded.as_deref() != Some(master.contract().as_str()) {
        let logs: String = group
            .watchers
            .iter()
            .map(|node| log_of("watcher", node))
            .collect();
        return Err(format!(
            "{master} is master, /redis/master holds {recorded:?}{logs}"
        ));
    }
    let sentinels: Vec<&SentinelNode> = group.sentinels.iter().filter(|node| node.is_alive()).collect();
    let registered = registered(group).await;
    for sentinel in &sentinels {
        sentinel_agrees(group, sentinel, &master, &living, &sentinels).await?;
        if !registered.contains(&sentinel.addr().contract()) {
            return Err(format!(
                "Sentinel {} is not registered: {registered:?}",
                sentinel.addr()
            ));
        }
    }
    for watcher in group.watchers.iter().filter(|node| node.is_alive()) {
        let ready = http::get(watcher.http(), "/ready")
            .await
            .map_err(|error| error.to_string())?;
        if ready.status != 200 {
            return Err(format!("watcher {} is not ready: {}", watcher.http(), ready.body));
        }
    }
    Ok(index)
}

/// The one living Redis that says master, when every other says that it is a replica of it.
pub(super) async fn one_master(group: &RunningGroup) -> Result<(usize, Addr), String> {
    let mut roles = Vec::new();
    for (index, node) in group.redis.iter().enumerate().filter(|(_, node)| node.is_alive()) {
        let Some(role) = node.role().await else {
            let log = node.program().log_tail();
            return Err(format!("{} does not answer; its log ends:\n{log}", node.addr()));
        };
        // ROLE is answered while the data set is still being read; nothing else is.
        if node.info("loading").await.as_deref() != Some("0") {
            return Err(format!("{} loads its data set", node.addr()));
        }
        roles.push((index, node.addr().clone(), role));
    }
    let shown = || {
        let said = roles.iter().map(|(_, addr, role)| match role {
            Role::Master => format!("{addr} master"),
            Role::Replica { of } => format!("{addr} replica of {of}"),
        });
        said.collect::<Vec<_>>().join(", ")
    };
    let mut masters = roles.iter().filter(|(.., role)| *role == Role::Master);
    let (Some((index, master, _)), None) = (masters.next(), masters.next()) else {
        return Err(format!("not one master: {}", shown()));
    };
    let follows = |role: &Role| *role == Role::Replica { of: master.clone() };
    if roles.iter().all(|(seen, _, role)| seen == index || follows(role)) {
        Ok((*index, master.clone()))
    } else {
        Err(format!("not all replicas of one master: {}", shown()))
    }
}

async fn registered(group: &RunningGroup) -> Vec<String> {
    let parent = group.path("sentinels");
    let mut addresses = Vec::new();
    for child in group.zk.children(&parent).await {
        // It may have left since.
        addresses.extend(group.zk.get(&format!("{parent}/{child}")).await);
    }
    addresses
}

/// It names the master and sees every living node as well. It may still remember dead ones.
async fn sentinel_agrees(
    group: &RunningGroup,
    sentinel: &SentinelNode,
    master: &Addr,
    redis: &[&RedisNode],
    sentinels: &[&SentinelNode],
) -> Result<(), String> {
    let named = sentinel.master(group.name()).await;
    if named.as_ref() != Some(master) {
        let log = sentinel.program().log_tail();
        return Err(format!(
            "Sentinel {} names {named:?}; its log ends:\n{log}",
            sentinel.addr()
        ));
    }
    let replicas = redis
        .iter()
        .map(|node| node.addr())
        .filter(|addr| *addr != master);
    let others = sentinels
        .iter()
        .map(|node| node.addr())
        .filter(|addr| *addr != sentinel.addr());
    let questions: [(&str, Vec<&Addr>); 2] =
        [("REPLICAS", replicas.collect()), ("SENTINELS", others.collect())];
    for (question, wanted) in questions {
        let seen = well(sentinel, &["SENTINEL", question, group.name()]).await?;
        if let Some(missing) = wanted.into_iter().find(|addr| !seen.contains(addr)) {
            return Err(format!(
                "Sentinel {} does not see {missing} well: {seen:?}",
                sentinel.addr()
            ));
        }
    }
    Ok(())
}

/// The addresses in a list of nodes that the Sentinel finds nothing wrong with.
async fn well(sentinel: &SentinelNode, question: &[&str]) -> Result<Vec<Addr>, String> {
    let reply = sentinel
        .command(question)
        .await
        .map_err(|error| error.to_string())?;
    Ok(records(&reply)
        .into_iter()
        .filter(|node| {
            !["down", "disconnected"]
                .iter()
                .any(|flag| node["flags"].contains(flag))
        })
        .filter_map(|node| Addr::new(&node["ip"], node["port"].parse().ok()?).ok())
        .collect())
}

fn log_of<C>(name: &str, node: &Node<C>) -> String {
    format!(
        "\n{name} {}; its log ends:\n{}",
        node.http(),
        node.program().log_tail()
    )
}
