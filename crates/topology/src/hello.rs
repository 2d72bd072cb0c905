//! The message by which Sentinels tell each other who is master.
//!
//! Eight comma-separated words, unchanged since Redis 2.8 (sentinel.c, `sentinelSendHello` writes it and
//! `sentinelProcessHelloMessage` reads it). A Sentinel that reads one with a higher config epoch adopts the master it
//! names at once, and persists it. The sender must be a Sentinel that the reader knows: an unknown run id
//! would be added as a new voter.

use std::fmt;

use crate::{Addr, Epoch, MasterName, MasterRecord, RunId};

/// One hello, in the name of one Sentinel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Announced address of the Sentinel it speaks for.
    pub sender: Addr,
    /// Run id of that Sentinel.
    pub sender_id: RunId,
    /// The sender's current epoch.
    pub current_epoch: Epoch,
    /// The group's name.
    pub name: MasterName,
    /// The master and its config epoch.
    pub master: MasterRecord,
}

impl fmt::Display for Hello {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sender,
            sender_id,
            current_epoch,
            name,
            master,
        } = self;
        write!(
            f,
            "{},{},{sender_id},{current_epoch},{name}",
            sender.host(),
            sender.port()
        )?;
        write!(
            f,
            ",{},{},{}",
            master.addr.host(),
            master.addr.port(),
            master.epoch
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_words_in_sentinels_own_order() {
        let hello = Hello {
            sender: "127.0.0.1:26379".parse().unwrap(),
            sender_id: RunId::from_bytes([1; 20]),
            current_epoch: Epoch(7),
            name: "master1".parse().unwrap(),
            master: MasterRecord {
                addr: "127.0.0.1:6380".parse().unwrap(),
                epoch: Epoch(6),
            },
        };
        let id = "01".repeat(20);
        assert_eq!(
            hello.to_string(),
            format!("127.0.0.1,26379,{id},7,master1,127.0.0.1,6380,6")
        );
    }
}
