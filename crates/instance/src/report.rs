//! What one Sentinel says about a group: its master, its replicas, the other Sentinels.

use std::time::Duration;

use topology::{Addr, LinkStatus, MasterRecord, RunId};

use crate::InstanceError;
use crate::fields::Fields;

/// A group as one Sentinel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterReport {
    /// The master this Sentinel gives to clients, and the config epoch that made it so.
    pub record: MasterRecord,
    /// The master's run id; none while the Sentinel has never reached it.
    pub run_id: Option<RunId>,
    /// What the Sentinel thinks of it.
    pub flags: Flags,
    /// How many replicas it remembers, dead ones included.
    pub replicas: u32,
    /// How many other Sentinels it counts into the majority, ghosts included.
    pub other_sentinels: u32,
    /// How many must agree that the master is down.
    pub quorum: u32,
    /// The role the node itself reported last: Redis' wire word, `master` or `slave`.
    pub role_reported: String,
    /// The state of the failover that runs, in Sentinel's words.
    pub failover_state: Option<String>,
    /// Its `down-after-milliseconds`.
    pub down_after: Duration,
    /// Its `failover-timeout`.
    pub failover_timeout: Duration,
    /// How long ago the master answered a ping.
    pub last_ok_ping: Duration,
    /// For how long a ping to the master has been waiting for its answer; zero when none is.
    pub ping_pending: Duration,
    /// The script it calls for each event.
    pub notification_script: Option<String>,
    /// The script it calls for each new master.
    pub client_reconfig_script: Option<String>,
}

/// Another Sentinel as one Sentinel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerReport {
    /// Its `myid`.
    pub run_id: RunId,
    /// Where it announces itself.
    pub addr: Addr,
    /// What is thought of it.
    pub flags: Flags,
    /// How long ago it answered a ping.
    pub last_ok_ping: Duration,
    /// How long ago anyone published a hello in its name.
    pub last_hello: Duration,
}

/// A replica as one Sentinel sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaReport {
    /// Where it announces itself.
    pub addr: Addr,
    /// Its run id; none while the Sentinel has never reached it.
    pub run_id: Option<RunId>,
    /// What is thought of it.
    pub flags: Flags,
    /// How far it has come, as of its last INFO.
    pub offset: i64,
    /// 0 means never promote.
    pub priority: u32,
    /// Its link to its master.
    pub link: LinkStatus,
    /// The master it reports; none while unknown.
    pub of: Option<Addr>,
    /// How long ago it answered a ping.
    pub last_ok_ping: Duration,
}

/// The words of Sentinel's `flags` field that matter.
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent of one another"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags {
    /// `s_down`: this Sentinel alone holds it for down.
    pub subjectively_down: bool,
    /// `o_down`: the quorum does.
    pub objectively_down: bool,
    /// `disconnected`: no command connection, often the first sign of a death.
    pub disconnected: bool,
    /// `master_down`: as another Sentinel told this one.
    pub master_down: bool,
    /// `failover_in_progress`: this Sentinel leads a failover.
    pub failover_in_progress: bool,
    /// `promoted`: the replica the failover in progress has chosen.
    pub promoted: bool,
    /// `reconf_sent` or `reconf_inprog`: a replica that is being pointed at the new master.
    pub reconfiguring: bool,
    /// `force_failover`: asked for by SENTINEL FAILOVER.
    pub failover_forced: bool,
    /// `script_kill_sent`: it answered BUSY, and the Sentinel killed the script.
    pub script_kill_sent: bool,
}

impl Flags {
    /// Reads the comma-separated list; unknown words are left out.
    pub fn parse(list: &str) -> Self {
        let has = |flag: &str| list.split(',').any(|word| word == flag);
        Self {
            subjectively_down: has("s_down"),
            objectively_down: has("o_down"),
            disconnected: has("disconnected"),
            master_down: has("master_down"),
            failover_in_progress: has("failover_in_progress"),
            promoted: has("promoted"),
            reconfiguring: has("reconf_sent") || has("reconf_inprog"),
            failover_forced: has("force_failover"),
            script_kill_sent: has("script_kill_sent"),
        }
    }

    fn of(fields: &Fields<'_>) -> Self {
        Self::parse(fields.text("flags").unwrap_or_default())
    }
}

impl MasterReport {
    /// `addr` is the answer of GET-MASTER-ADDR-BY-NAME, the fields that of SENTINEL MASTER.
    pub(crate) fn read(addr: Addr, fields: &Fields<'_>) -> Result<Self, InstanceError> {
        let epoch = topology::Epoch(fields.read("config-epoch")?);
        Ok(Self {
            record: MasterRecord { addr, epoch },
            run_id: fields.optional("runid"),
            flags: Flags::of(fields),
            replicas: fields.read("num-slaves")?,
            other_sentinels: fields.read("num-other-sentinels")?,
            quorum: fields.read("quorum")?,
            role_reported: fields.text("role-reported").unwrap_or_default().to_owned(),
            failover_state: fields.text("failover-state").map(str::to_owned),
            down_after: millis(fields, "down-after-milliseconds"),
            failover_timeout: millis(fields, "failover-timeout"),
            last_ok_ping: millis(fields, "last-ok-ping-reply"),
            ping_pending: millis(fields, "last-ping-sent"),
            notification_script: fields.text("notification-script").map(str::to_owned),
            client_reconfig_script: fields.text("client-reconfig-script").map(str::to_owned),
        })
    }
}

impl PeerReport {
    pub(crate) fn read(fields: &Fields<'_>) -> Result<Self, InstanceError> {
        Ok(Self {
            run_id: fields.read("runid")?,
            addr: fields.addr()?,
            flags: Flags::of(fields),
            last_ok_ping: millis(fields, "last-ok-ping-reply"),
            last_hello: millis(fields, "last-hello-message"),
        })
    }
}

impl ReplicaReport {
    pub(crate) fn read(fields: &Fields<'_>) -> Result<Self, InstanceError> {
        let master_port = fields.optional("master-port").unwrap_or(0);
        Ok(Self {
            addr: fields.addr()?,
            run_id: fields.optional("runid"),
            flags: Flags::of(fields),
            offset: fields.read("slave-repl-offset")?,
            priority: fields.read("slave-priority")?,
            link: match fields.text("master-link-status") {
                Some("ok") => LinkStatus::Up,
                _ => LinkStatus::Down,
            },
            of: fields
                .text("master-host")
                .and_then(|host| Addr::new(host, master_port).ok()),
            last_ok_ping: millis(fields, "last-ok-ping-reply"),
        })
    }
}

fn millis(fields: &Fields<'_>, name: &str) -> Duration {
    Duration::from_millis(fields.optional(name).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_a_whole_word_of_the_list() {
        assert_eq!(Flags::parse("master"), Flags::default());
        let flags = Flags::parse("master,s_down,o_down,disconnected,failover_in_progress,force_failover");
        assert!(flags.subjectively_down && flags.objectively_down && flags.disconnected);
        assert!(flags.failover_in_progress && flags.failover_forced && !flags.promoted);
        assert!(!Flags::parse("sentinel,master_down").subjectively_down);
        assert!(Flags::parse("slave,promoted,reconf_inprog").reconfiguring);
    }
}
