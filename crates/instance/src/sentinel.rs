//! The commands sent to a Sentinel, and what it answers.
//!
//! A Sentinel is asked alone, never through a list: that Sentinels disagree is a fact the callers need to see.

use std::collections::HashMap;
use std::time::Duration;

use redis::{Cmd, cmd};
use topology::{Addr, Epoch, Hello, MasterName, Quorum, RunId};

use crate::connection::Connection;
use crate::fields::Fields;
use crate::{Dialer, EventStream, InstanceError, MasterReport, PeerReport, ReplicaReport};

/// How often a report is read again when a switch falls into the middle of it.
const REPORT_TRIES: usize = 3;

/// One connection to one Sentinel. Clones share it.
#[derive(Debug, Clone)]
pub struct Sentinel {
    connection: Connection,
    dialer: Dialer,
}

/// Whom a Sentinel voted for last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// Whom; none when it holds another node for the master, or never voted.
    pub leader: Option<RunId>,
    /// In which epoch.
    pub epoch: Epoch,
}

/// The answer to `SENTINEL FAILOVER`. Started says nothing of the outcome: a Sentinel in TILT says so and does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum FailoverReply {
    /// It will try.
    Started,
    /// It is at it already.
    InProgress,
    /// It knows no replica that could be promoted.
    NoGoodReplica,
    /// It knows no group of that name.
    NoSuchMaster,
}

/// The answer to `SENTINEL CKQUORUM`, with the Sentinel's words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum QuorumCheck {
    /// Enough Sentinels to notice a death and to elect a leader.
    Ok(String),
    /// Not enough.
    No(String),
}

impl Sentinel {
    pub(crate) fn new(connection: Connection, dialer: Dialer) -> Self {
        Self { connection, dialer }
    }

    /// The address it was dialled at.
    pub fn addr(&self) -> &Addr {
        self.connection.addr()
    }

    /// The same connection with another deadline for each answer.
    #[must_use]
    pub fn within(&self, deadline: Duration) -> Self {
        Self::new(self.connection.within(deadline), self.dialer.clone())
    }

    /// Whether the connection can still be used, as far as is known without asking.
    pub fn is_alive(&self) -> bool {
        self.connection.is_alive()
    }

    /// Whether it answers.
    pub async fn ping(&self) -> Result<(), InstanceError> {
        self.connection.call("PING", &cmd("PING")).await
    }

    /// The run id by which other Sentinels know it.
    pub async fn my_id(&self) -> Result<RunId, InstanceError> {
        let name = "SENTINEL MYID";
        let text: String = self.connection.call(name, &subcommand("MYID")).await?;
        text.parse()
            .map_err(|error: topology::IdError| self.protocol(name, error.to_string()))
    }

    /// Who is master of the group as this Sentinel tells clients, as of which config epoch; `None` when it does not
    /// know the group.
    pub async fn report(&self, group: &MasterName) -> Result<Option<MasterReport>, InstanceError> {
        for _ in 0..REPORT_TRIES {
            match self.report_once(group).await? {
                Reading::Whole(report) => return Ok(Some(*report)),
                Reading::Unknown => return Ok(None),
                Reading::Torn => {}
            }
        }
        Err(self.protocol("SENTINEL MASTER", "another master at each look".to_owned()))
    }

    /// The address is not taken from SENTINEL MASTER: a leader that has promoted but not finished shows the old
    /// one there, with the new config epoch already, and that pair would be two masters of one epoch.
    /// GET-MASTER-ADDR is asked before and after, as the three may be read from the socket in parts.
    async fn report_once(&self, group: &MasterName) -> Result<Reading, InstanceError> {
        let (get_addr, master) = ("SENTINEL GET-MASTER-ADDR-BY-NAME", "SENTINEL MASTER");
        let mut commands = redis::pipe();
        for word in ["GET-MASTER-ADDR-BY-NAME", "MASTER", "GET-MASTER-ADDR-BY-NAME"] {
            commands.cmd("SENTINEL").arg(word).arg(group.as_str());
        }
        let names = [get_addr, master, get_addr];
        let [before, fields, after] = self.connection.call_all(names, &commands).await?;
        let fields = match fields {
            Err(InstanceError::NoSuchMaster { .. }) => return Ok(Reading::Unknown),
            other => self.connection.read::<HashMap<String, String>>(master, other?)?,
        };
        let before: Option<(String, u16)> = self.connection.read(get_addr, before?)?;
        let after: Option<(String, u16)> = self.connection.read(get_addr, after?)?;
        let Some((host, port)) = before.filter(|before| Some(before) == after.as_ref()) else {
            return Ok(Reading::Torn);
        };
        let addr = Addr::new(&host, port).map_err(|error| self.protocol(get_addr, error.to_string()))?;
        let fields = Fields::new(self.addr(), master, fields);
        Ok(Reading::Whole(Box::new(MasterReport::read(addr, &fields)?)))
    }

    /// The groups it watches. A name that is none of ours is left out.
    pub async fn groups(&self) -> Result<Vec<MasterName>, InstanceError> {
        let command = subcommand("MASTERS");
        let answer: Vec<HashMap<String, String>> = self.connection.call("SENTINEL MASTERS", &command).await?;
        let name = |fields: &HashMap<String, String>| fields.get("name")?.parse().ok();
        Ok(answer.iter().filter_map(name).collect())
    }

    /// The other Sentinels of the group that it counts, ghosts included.
    pub async fn peers(&self, group: &MasterName) -> Result<Vec<PeerReport>, InstanceError> {
        self.list("SENTINEL SENTINELS", group, PeerReport::read).await
    }

    /// The replicas of the group that it remembers, dead ones included.
    pub async fn replicas(&self, group: &MasterName) -> Result<Vec<ReplicaReport>, InstanceError> {
        self.list("SENTINEL REPLICAS", group, ReplicaReport::read).await
    }

    /// Waits until this connection is closed, by whichever side; sends nothing.
    pub async fn closed(&self) {
        self.connection.closed().await;
    }

    /// The epoch of its last vote in the group whose master, in its own view, is `master`; 0 when it never voted, or when it
    /// holds another node for the master.
    pub async fn last_vote(&self, master: &Addr) -> Result<Epoch, InstanceError> {
        let name = "SENTINEL IS-MASTER-DOWN-BY-ADDR";
        // Epoch 0 asks for no vote. With `*` instead of an id the answer would always be 0.
        let nobody = RunId::from_bytes([0; 20]);
        let mut command = subcommand("IS-MASTER-DOWN-BY-ADDR");
        command
            .arg(master.host())
            .arg(master.port())
            .arg(0)
            .arg(nobody.as_str());
        let (_down, _leader, epoch): (u8, String, u64) = self.connection.call(name, &command).await?;
        Ok(Epoch(epoch))
    }

    /// Asks for its vote in the group whose master, in its own view, is `master`. It votes once an epoch, for whoever asks first,
    /// dead master or not, and then starts no failover of its own for twice its failover-timeout (`sentinelVoteLeader`).
    pub async fn vote(&self, master: &Addr, epoch: Epoch, id: &RunId) -> Result<Vote, InstanceError> {
        let name = "SENTINEL IS-MASTER-DOWN-BY-ADDR";
        let mut command = subcommand("IS-MASTER-DOWN-BY-ADDR");
        command
            .arg(master.host())
            .arg(master.port())
            .arg(epoch.0)
            .arg(id.as_str());
        let (_down, leader, epoch): (u8, String, u64) = self.connection.call(name, &command).await?;
        Ok(Vote {
            leader: leader.parse().ok(),
            epoch: Epoch(epoch),
        })
    }

    /// Makes it forget the group's replicas and other Sentinels and look for them again, which takes seconds: one
    /// Sentinel at a time, and only while the master is well.
    pub async fn reset(&self, group: &MasterName) -> Result<(), InstanceError> {
        let name = "SENTINEL RESET";
        let found: u64 = self.connection.call(name, &about("RESET", group)).await?;
        if found > 0 {
            return Ok(());
        }
        let addr = self.addr().clone();
        Err(InstanceError::NoSuchMaster { addr, command: name })
    }

    /// Asks it to promote a replica without asking the other Sentinels. Of a live master this loses acknowledged writes.
    pub async fn failover(&self, group: &MasterName) -> Result<FailoverReply, InstanceError> {
        let answer = self
            .connection
            .call::<()>("SENTINEL FAILOVER", &about("FAILOVER", group))
            .await;
        match answer {
            Ok(()) => Ok(FailoverReply::Started),
            Err(InstanceError::NoSuchMaster { .. }) => Ok(FailoverReply::NoSuchMaster),
            Err(InstanceError::Protocol { problem, .. }) if problem.starts_with("INPROG") => {
                Ok(FailoverReply::InProgress)
            }
            Err(InstanceError::Protocol { problem, .. }) if problem.starts_with("NOGOODSLAVE") => {
                Ok(FailoverReply::NoGoodReplica)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether, in its view, enough Sentinels are alive for the quorum and for a majority.
    pub async fn check_quorum(&self, group: &MasterName) -> Result<QuorumCheck, InstanceError> {
        let answer = self
            .connection
            .call::<String>("SENTINEL CKQUORUM", &about("CKQUORUM", group))
            .await;
        match answer {
            Ok(text) => Ok(QuorumCheck::Ok(text)),
            Err(InstanceError::Protocol { problem, .. }) if problem.starts_with("NOQUORUM") => {
                Ok(QuorumCheck::No(problem))
            }
            Err(error) => Err(error),
        }
    }

    /// Tells it who is master, in another Sentinel's name; it adopts the higher epoch and ignores a lower one. The
    /// sender must be a Sentinel it knows, and not itself: another would be added as a ghost voter.
    pub async fn announce(&self, hello: &Hello) -> Result<(), InstanceError> {
        let mut command = cmd("PUBLISH");
        command.arg("__sentinel__:hello").arg(hello.to_string());
        self.connection.call("PUBLISH", &command).await
    }

    /// Changes one setting of the group; it is kept in the Sentinel's own file.
    pub async fn set(&self, group: &MasterName, option: &str, value: &str) -> Result<(), InstanceError> {
        let mut command = about("SET", group);
        command.arg(option).arg(value);
        self.connection.call("SENTINEL SET", &command).await
    }

    /// How often it asks every node for INFO: 10 s by default, which is how long a new replica stays unknown and how old the
    /// offsets it compares may be. Forgotten when the Sentinel restarts. Since Redis 7.0 (`SENTINEL DEBUG`).
    pub async fn set_info_period(&self, period: Duration) -> Result<(), InstanceError> {
        let mut command = cmd("SENTINEL");
        let millis = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        command.arg("DEBUG").arg("INFO-PERIOD").arg(millis);
        self.connection.call("SENTINEL DEBUG", &command).await
    }

    /// How often it pings, and how often it tries to reconnect: 1 s by default. Under 250 ms it would hold fresh replicas for unfit to
    /// be promoted (`sentinelSelectSlave`). Forgotten when the Sentinel restarts. Since Redis 7.0 (`SENTINEL DEBUG`).
    pub async fn set_ping_period(&self, period: Duration) -> Result<(), InstanceError> {
        let mut command = cmd("SENTINEL");
        let millis = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        command.arg("DEBUG").arg("PING-PERIOD").arg(millis);
        self.connection.call("SENTINEL DEBUG", &command).await
    }

    /// Makes it watch a group, with config epoch 0 and default settings.
    pub async fn monitor(
        &self,
        group: &MasterName,
        master: &Addr,
        quorum: Quorum,
    ) -> Result<(), InstanceError> {
        let mut command = about("MONITOR", group);
        command.arg(master.host()).arg(master.port()).arg(quorum.get());
        self.connection.call("SENTINEL MONITOR", &command).await
    }

    /// Makes it forget a group.
    pub async fn remove(&self, group: &MasterName) -> Result<(), InstanceError> {
        self.connection
            .call("SENTINEL REMOVE", &about("REMOVE", group))
            .await
    }

    /// Everything it publishes from now on, over a connection of its own.
    pub async fn events(&self) -> Result<EventStream, InstanceError> {
        EventStream::open(&self.dialer, self.addr()).await
    }

    async fn list<T>(
        &self,
        name: &'static str,
        group: &MasterName,
        read: fn(&Fields<'_>) -> Result<T, InstanceError>,
    ) -> Result<Vec<T>, InstanceError> {
        let word = name.trim_start_matches("SENTINEL ");
        let answer: Vec<HashMap<String, String>> = self.connection.call(name, &about(word, group)).await?;
        let fields = answer
            .into_iter()
            .map(|pairs| Fields::new(self.addr(), name, pairs));
        fields.map(|fields| read(&fields)).collect()
    }

    fn protocol(&self, command: &'static str, problem: String) -> InstanceError {
        InstanceError::protocol(self.addr(), command, problem)
    }
}

/// One reading of a group.
enum Reading {
    /// Address and epoch belong together.
    Whole(Box<MasterReport>),
    /// The Sentinel does not know the group.
    Unknown,
    /// The master changed in the middle.
    Torn,
}

fn subcommand(word: &str) -> Cmd {
    let mut command = cmd("SENTINEL");
    command.arg(word);
    command
}

fn about(word: &str, group: &MasterName) -> Cmd {
    let mut command = subcommand(word);
    command.arg(group.as_str());
    command
}
