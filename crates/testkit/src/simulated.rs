//! Groups whose Sentinels and Redis nodes are played by this process: for figures of a watcher that follows hundreds of groups, which no
//! machine has room for. They say what real ones would say to the questions a watcher asks; everything else is an error, as
//! with a real server. What a failover is like is tested on real servers alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use topology::{Addr, Epoch, RunId};

/// How many Sentinels each group has.
const SENTINELS: usize = 3;

/// Simulated groups. They end when this is dropped.
#[derive(Debug)]
pub struct SimulatedGroups {
    groups: Vec<Arc<Simulated>>,
    _servers: JoinSet<()>,
}

#[derive(Debug)]
struct Simulated {
    name: String,
    number: usize,
    sentinels: Vec<Addr>,
    nodes: [Addr; 2],
    /// The config epoch, and which node is master; a change is announced by every Sentinel.
    now: watch::Sender<(u64, usize)>,
}

impl SimulatedGroups {
    /// So many groups `name-0`, `name-1` ..., each with three Sentinels, a master and a replica.
    pub async fn start(name: &str, count: usize) -> Self {
        let mut servers = JoinSet::new();
        let mut groups = Vec::new();
        for n in 0..count {
            let mut listeners = Vec::new();
            let mut addresses = Vec::new();
            for _ in 0..SENTINELS + 2 {
                let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
                let port = listener.local_addr().expect("bound").port();
                addresses.push(Addr::new("127.0.0.1", port).expect("loopback"));
                listeners.push(listener);
            }
            let replica = addresses.pop().expect("made");
            let master = addresses.pop().expect("made");
            let group = Arc::new(Simulated {
                name: format!("{name}-{n}"),
                number: n + 1,
                sentinels: addresses,
                nodes: [master, replica],
                now: watch::Sender::new((1, 0)),
            });
            for (index, listener) in listeners.into_iter().enumerate() {
                servers.spawn(serve(listener, group.clone(), index));
            }
            groups.push(group);
        }
        Self {
            groups,
            _servers: servers,
        }
    }

    /// The names of the groups.
    pub fn names(&self) -> Vec<String> {
        self.groups.iter().map(|group| group.name.clone()).collect()
    }

    /// Every Sentinel.
    pub fn sentinels(&self) -> Vec<Addr> {
        self.groups
            .iter()
            .flat_map(|group| group.sentinels.clone())
            .collect()
    }

    /// The master of one group, and its epoch.
    pub fn master(&self, index: usize) -> (Addr, Epoch) {
        let group = &self.groups[index];
        let (epoch, master) = *group.now.borrow();
        (group.nodes[master].clone(), Epoch(epoch))
    }

    /// Moves the master of these groups at once: their Sentinels announce it. Returns when.
    pub fn fail_over(&self, indexes: impl IntoIterator<Item = usize>) -> Instant {
        let at = Instant::now();
        for index in indexes {
            self.groups[index]
                .now
                .send_modify(|(epoch, master)| (*epoch, *master) = (*epoch + 1, 1 - *master));
        }
        at
    }
}

/// Serves one address: the Sentinels come first, then the nodes.
async fn serve(listener: TcpListener, group: Arc<Simulated>, index: usize) {
    let mut clients = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let group = group.clone();
                    clients.spawn(async move { drop(converse(stream, &group, index).await) });
                }
            }
            Some(_) = clients.join_next(), if !clients.is_empty() => {}
        }
    }
}

async fn converse(stream: TcpStream, group: &Simulated, index: usize) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::with_capacity(512, read);
    let mut now = group.now.subscribe();
    let mut subscribed = false;
    loop {
        tokio::select! {
            // A command, or the end; only this may be cancelled, not the reading of one.
            begun = read.fill_buf() => if begun?.is_empty() {
                return Ok(());
            },
            changed = now.changed(), if subscribed => {
                if changed.is_err() {
                    return Ok(());
                }
                let to = now.borrow_and_update().1;
                write.write_all(group.switch(to).as_bytes()).await?;
                continue;
            }
        }
        let words = command(&mut read).await?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        subscribed |= matches!(words[..], ["PSUBSCRIBE", ..]);
        let answer = match index.checked_sub(SENTINELS) {
            None => group.sentinel(index, &words),
            Some(node) => group.node(node, &words),
        };
        write.write_all(answer.as_bytes()).await?;
    }
}

/// Reads one command.
async fn command(read: &mut BufReader<tokio::net::tcp::OwnedReadHalf>) -> io::Result<Vec<String>> {
    let count = length(read, b'*').await?;
    let mut words = Vec::new();
    for _ in 0..count {
        let mut bytes = vec![0; length(read, b'$').await? + 2];
        read.read_exact(&mut bytes).await?;
        bytes.truncate(bytes.len() - 2);
        words.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(words)
}

async fn length(read: &mut BufReader<tokio::net::tcp::OwnedReadHalf>, kind: u8) -> io::Result<usize> {
    let mut line = Vec::new();
    read.read_until(b'\n', &mut line).await?;
    let text = line
        .strip_prefix(&[kind])
        .and_then(|rest| std::str::from_utf8(rest).ok());
    text.and_then(|text| text.trim_end().parse().ok())
        .ok_or(io::ErrorKind::InvalidData.into())
}

impl Simulated {
    fn sentinel(&self, index: usize, words: &[&str]) -> String {
        let (epoch, master) = *self.now.borrow();
        let addr = &self.nodes[master];
        match words {
            ["HELLO", ..] => hello("sentinel"),
            ["PING"] => "+PONG\r\n".to_owned(),
            ["PSUBSCRIBE", pattern] => format!(">3\r\n{}{}:1\r\n", bulk("psubscribe"), bulk(pattern)),
            ["SENTINEL", "MYID"] => bulk(self.id(index)),
            ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name] if *name == self.name => {
                format!("*2\r\n{}{}", bulk(addr.host()), bulk(addr.port().to_string()))
            }
            ["SENTINEL", "MASTER", name] if *name == self.name => map(&self.master_fields(epoch, master)),
            ["SENTINEL", "MASTERS"] => format!("*1\r\n{}", map(&self.master_fields(epoch, master))),
            ["SENTINEL", "SENTINELS", name] if *name == self.name => {
                let others = (0..SENTINELS).filter(|other| *other != index);
                let others: Vec<String> = others.map(|other| map(&self.peer_fields(other))).collect();
                format!("*{}\r\n{}", others.len(), others.concat())
            }
            ["SENTINEL", "REPLICAS", name] if *name == self.name => {
                format!("*1\r\n{}", map(&self.replica_fields(master)))
            }
            [
                "SENTINEL",
                "MASTER" | "GET-MASTER-ADDR-BY-NAME" | "SENTINELS" | "REPLICAS",
                _,
            ] => "-ERR No such master with that name\r\n".to_owned(),
            _ => format!("-ERR unknown command '{}'\r\n", words.join(" ")),
        }
    }

    /// Forty digits that are the same for the same server, and others for any other.
    fn id(&self, which: usize) -> String {
        let mut bytes = [0; 20];
        bytes[..8].copy_from_slice(&self.number.to_be_bytes());
        bytes[12..].copy_from_slice(&which.to_be_bytes());
        RunId::from_bytes(bytes).to_string()
    }

    fn node(&self, index: usize, words: &[&str]) -> String {
        let (_, master) = *self.now.borrow();
        match words {
            ["HELLO", ..] => hello("standalone"),
            ["PING"] => "+PONG\r\n".to_owned(),
            ["INFO"] => bulk(self.info(index, master)),
            _ => format!("-ERR unknown command '{}'\r\n", words.join(" ")),
        }
    }

    fn info(&self, index: usize, master: usize) -> String {
        let (id, lineage) = (self.id(10 + index), self.id(20));
        let mut info = format!(
            "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\nrun_id:{id}\r\n# Replication\r\n"
        );
        if index == master {
            info.push_str("role:master\r\nconnected_slaves:1\r\n");
        } else {
            let of = &self.nodes[master];
            let _ = write!(
                info,
                "role:slave\r\nmaster_host:{}\r\nmaster_port:{}\r\nmaster_link_status:up\r\nmaster_sync_in_progress:0\r\n\
                 slave_repl_offset:100\r\nslave_priority:100\r\nslave_read_only:1\r\n",
                of.host(),
                of.port()
            );
        }
        let _ = write!(
            info,
            "master_replid:{lineage}\r\nmaster_replid2:{}\r\nmaster_repl_offset:100\r\nsecond_repl_offset:-1\r\n",
            "0".repeat(40)
        );
        info
    }

    fn master_fields(&self, epoch: u64, master: usize) -> BTreeMap<&'static str, String> {
        let addr = &self.nodes[master];
        let others = (SENTINELS - 1).to_string();
        BTreeMap::from([
            ("name", self.name.clone()),
            ("ip", addr.host().to_owned()),
            ("port", addr.port().to_string()),
            ("runid", self.id(10 + master)),
            ("flags", "master".to_owned()),
            ("config-epoch", epoch.to_string()),
            ("num-slaves", "1".to_owned()),
            ("num-other-sentinels", others),
            ("quorum", "2".to_owned()),
            ("role-reported", "master".to_owned()),
            ("last-ok-ping-reply", "10".to_owned()),
            ("down-after-milliseconds", "2000".to_owned()),
            ("failover-timeout", "5000".to_owned()),
        ])
    }

    fn peer_fields(&self, other: usize) -> BTreeMap<&'static str, String> {
        let addr = &self.sentinels[other];
        BTreeMap::from([
            ("ip", addr.host().to_owned()),
            ("port", addr.port().to_string()),
            ("runid", self.id(other)),
            ("flags", "sentinel".to_owned()),
        ])
    }

    fn replica_fields(&self, master: usize) -> BTreeMap<&'static str, String> {
        let (addr, of) = (&self.nodes[1 - master], &self.nodes[master]);
        BTreeMap::from([
            ("ip", addr.host().to_owned()),
            ("port", addr.port().to_string()),
            ("runid", self.id(10 + 1 - master)),
            ("flags", "slave".to_owned()),
            ("slave-repl-offset", "100".to_owned()),
            ("slave-priority", "100".to_owned()),
            ("master-link-status", "ok".to_owned()),
            ("master-host", of.host().to_owned()),
            ("master-port", of.port().to_string()),
        ])
    }

    /// The announcement of `to`.
    fn switch(&self, to: usize) -> String {
        let (from, to) = (&self.nodes[1 - to], &self.nodes[to]);
        let payload = format!(
            "{} {} {} {} {}",
            self.name,
            from.host(),
            from.port(),
            to.host(),
            to.port()
        );
        format!(
            ">4\r\n{}{}{}{}",
            bulk("pmessage"),
            bulk("*"),
            bulk("+switch-master"),
            bulk(payload)
        )
    }
}

fn hello(mode: &str) -> String {
    let text = ["server", "redis", "version", "7.0.15"].map(bulk).concat();
    format!(
        "%4\r\n{text}{}:3\r\n{}{}",
        bulk("proto"),
        bulk("mode"),
        bulk(mode)
    )
}

fn bulk(text: impl AsRef<str>) -> String {
    let text = text.as_ref();
    format!("${}\r\n{text}\r\n", text.len())
}

fn map(fields: &BTreeMap<&'static str, String>) -> String {
    let pairs: String = fields
        .iter()
        .map(|(name, value)| bulk(name) + &bulk(value))
        .collect();
    format!("%{}\r\n{pairs}", fields.len())
}
