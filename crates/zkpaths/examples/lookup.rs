//! How a Rust client looks the master and the Sentinels up: `cargo run --example lookup -- localhost:2181`.
#![expect(clippy::print_stdout, reason = "an example shows what it found")]

use std::error::Error;

use zkpaths::{Tree, ZkRoot, decode_address, decode_master};
use zookeeper_client::Client;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let hosts = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "localhost:2181".to_owned());
    let zookeeper = Client::connect(&hosts).await?;
    let tree = Tree::new(&ZkRoot::default());

    let (data, _) = zookeeper.get_data(tree.master().as_str()).await?;
    match decode_master(&data)? {
        Some(master) => println!("master {master}"),
        None => println!("no master yet"),
    }
    for child in zookeeper.list_children(tree.sentinels().as_str()).await? {
        let path = tree.sentinels().child(&child);
        // A Sentinel may leave between the two reads.
        if let Ok((data, _)) = zookeeper.get_data(path.as_str()).await {
            println!("sentinel {}", decode_address(&data)?);
        }
    }
    Ok(())
}
