//! The persistent znodes that must exist before anything else can. Made by whoever comes first.

use futures_util::future::join_all;
use tracing::{info, warn};
use zkpaths::Tree;
use zookeeper_client::Client;

use super::Link;
use crate::error::Fault;

/// What could not be made, and why.
pub(super) struct Obstacle {
    pub(super) path: String,
    pub(super) fault: Fault,
}

/// Whether a znode was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    There,
    Made,
}

/// Makes the chroot and the tree's skeleton; the client that is returned works under the chroot.
pub(super) async fn make(link: &Link, client: Client) -> Result<Client, Obstacle> {
    let (client, chroot) = match &link.dial.chroot {
        None => (client, Found::There),
        Some(chroot) => {
            for (end, _) in chroot.match_indices('/').skip(1) {
                above(link, &client, &chroot[..end]).await?;
            }
            let found = above(link, &client, chroot).await?;
            if found == Found::Made {
                // A typing error here is a second, empty group, and everything looks well.
                warn!(path = %chroot, "created the chroot of ZK_HOSTS, which was not there; was it meant?");
            }
            (rooted(client, chroot)?, found)
        }
    };
    for tree in &link.trees {
        skeleton(link, &client, tree, chroot).await?;
    }
    Ok(client)
}

/// Makes what every program of one tree needs.
async fn skeleton(link: &Link, client: &Client, tree: &Tree, chroot: Found) -> Result<(), Obstacle> {
    let root = tree.root();
    let paths = tree.skeleton();
    // Sent at once, in order: one round trip for all of them.
    let options = link.persistent();
    let requests = paths
        .iter()
        .map(|path| client.create(path.as_str(), b"", &options));
    let answers = link.answer(async { Ok(join_all(requests).await) }).await;
    let answers = answers.map_err(|fault| Obstacle {
        path: root.to_string(),
        fault,
    })?;
    for (path, answer) in paths.iter().zip(answers) {
        match answer.map(|_| ()).map_err(Fault::from) {
            Ok(()) if *path == root && chroot == Found::There => {
                info!(%path, "created ZK_ROOT, which was not there; was it meant?");
            }
            Ok(()) | Err(Fault::Exists) => {}
            // Up to the root, others may have prepared the way and left us no right to create there.
            Err(Fault::Denied) if root.as_str().starts_with(path.as_str()) => {
                above(link, client, path.as_str()).await?;
            }
            Err(fault) => {
                return Err(Obstacle {
                    path: path.to_string(),
                    fault,
                });
            }
        }
    }
    Ok(())
}

/// The client, seeing `chroot` as its top.
pub(super) fn rooted(client: Client, chroot: &str) -> Result<Client, Obstacle> {
    client.chroot(chroot).map_err(|_| Obstacle {
        path: chroot.to_owned(),
        fault: Fault::Missing,
    })
}

/// Makes one znode above the tree, unless it exists.
async fn above(link: &Link, client: &Client, path: &str) -> Result<Found, Obstacle> {
    let obstacle = |fault| Obstacle {
        path: path.to_owned(),
        fault,
    };
    match link.answer(client.check_stat(path)).await.map_err(obstacle)? {
        Some(_) => Ok(Found::There),
        None => match link.answer(client.create(path, b"", &link.persistent())).await {
            Ok(_) => Ok(Found::Made),
            Err(Fault::Exists) => Ok(Found::There),
            Err(fault) => Err(obstacle(fault)),
        },
    }
}
