//! How a Rust client looks the master and the Sentinels up: `cargo run --example lookup -- [HOSTS [ROOT]] [--follow]`.
//!
//! HOSTS is what `ZK_HOSTS` is for redis-zk (default `localhost:2181`), ROOT what `ZK_ROOT` is (default `/redis`). With
//! `--follow` every change of the master is printed, until the program is killed.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use topology::Addr;
use zkpaths::{Tree, ZkRoot, decode_address, decode_master};
use zookeeper_client::{Client, Error as ZkError, EventType, OneshotWatcher};

type Failure = Box<dyn Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (flags, words): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word == "--follow");
    let hosts = words.first().map_or("localhost:2181", String::as_str);
    let root = words.get(1).map_or(Ok(ZkRoot::default()), |root| root.parse())?;
    let tree = Tree::new(&root);

    let zookeeper = connect(hosts).await?;
    let (found, _) = master(&zookeeper, &tree).await?;
    show(found.as_ref());
    for sentinel in sentinels(&zookeeper, &tree).await? {
        println!("sentinel {sentinel}");
    }
    if !flags.is_empty() {
        follow(hosts, zookeeper, &tree, found).await;
    }
    Ok(())
}

async fn connect(hosts: &str) -> Result<Client, ZkError> {
    Client::connector()
        .with_session_timeout(Duration::from_secs(4))
        .connect(hosts)
        .await
}

/// Who is master, and a watch that was set before the data were read, so that no change is lost. It may be set on a znode
/// that does not exist.
async fn master(zookeeper: &Client, tree: &Tree) -> Result<(Option<Addr>, OneshotWatcher), Failure> {
    let path = tree.master();
    let (_, changed) = zookeeper.check_and_watch_stat(path.as_str()).await?;
    match zookeeper.get_data(path.as_str()).await {
        Ok((data, _)) => Ok((decode_master(&data)?, changed)),
        Err(ZkError::NoNode) => Ok((None, changed)),
        Err(error) => Err(error.into()),
    }
}

/// The registered Sentinels, in the order of their znodes' names.
async fn sentinels(zookeeper: &Client, tree: &Tree) -> Result<Vec<Addr>, Failure> {
    let parent = tree.sentinels();
    let mut names = match zookeeper.list_children(parent.as_str()).await {
        Err(ZkError::NoNode) => Vec::new(),
        names => names?,
    };
    names.sort();
    let mut found = Vec::new();
    for name in names {
        match zookeeper.get_data(parent.child(&name).as_str()).await {
            Ok((data, _)) => found.push(decode_address(&data)?),
            // It left between the two reads.
            Err(ZkError::NoNode) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

/// Prints every change, in one session after the other.
async fn follow(hosts: &str, mut zookeeper: Client, tree: &Tree, mut last: Option<Addr>) -> Infallible {
    loop {
        if let Err(error) = follow_session(&zookeeper, tree, &mut last).await {
            eprintln!("{error}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        match connect(hosts).await {
            Ok(session) => zookeeper = session,
            Err(error) => eprintln!("{error}"),
        }
    }
}

/// Until the session ends.
async fn follow_session(zookeeper: &Client, tree: &Tree, last: &mut Option<Addr>) -> Result<(), Failure> {
    loop {
        let (now, changed) = master(zookeeper, tree).await?;
        if now != *last {
            show(now.as_ref());
            *last = now;
        }
        if changed.changed().await.event_type == EventType::Session {
            return Ok(());
        }
    }
}

fn show(master: Option<&Addr>) {
    match master {
        Some(master) => println!("master {master}"),
        None => println!("no master yet"),
    }
}
