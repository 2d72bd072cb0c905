//! What a sink is given: what Sentinel said, when, to whom, and under which identity.

use jiff::Timestamp;
use serde::Serialize;

use crate::event::{Content, Instance, Kind, Notice};
use crate::reconfiguration::{self, Reconfiguration};

/// What Sentinel said in one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// To the notification script.
    Notice(Notice),
    /// To the client-reconfiguration script.
    Reconfiguration(Reconfiguration),
}

/// One event on its way to the sinks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The same for each telling of the event, whichever Sentinel told it.
    pub id: String,
    /// What was said.
    pub call: Call,
    /// When Sentinel called.
    pub at: Timestamp,
    /// The config epoch, as far as it is known.
    pub epoch: Option<u64>,
    /// Which Sentinel called: its run id, or its address.
    pub sentinel: String,
    /// The name of the host where it was called.
    pub host: String,
    /// It only tries whether the sink works (`--check`): nobody should be alarmed by it, and nothing counted.
    pub trial: bool,
}

/// The event as JSON, for HTTP and plug-ins: the names of the program that this one replaces, and ours after them. What is not known is left out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[expect(missing_docs, reason = "the names are the documentation: docs/eventilator.md")]
pub struct Record {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub podname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    pub event: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quorum: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub votes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_master_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_master_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_master_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_master_port: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    pub id: String,
    pub description: String,
    pub time: String,
    pub sentinel: String,
    pub host: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub trial: bool,
}

impl Call {
    /// The event's name; [`reconfiguration::EVENT`] for a reconfiguration.
    pub fn event(&self) -> &str {
        match self {
            Self::Notice(notice) => &notice.event,
            Self::Reconfiguration(_) => reconfiguration::EVENT,
        }
    }

    /// The group, where it is known.
    pub fn pod(&self) -> Option<&str> {
        match self {
            Self::Notice(notice) => notice.pod(),
            Self::Reconfiguration(reconfiguration) => Some(&reconfiguration.pod),
        }
    }
}

impl Message {
    /// The event's name.
    pub fn event(&self) -> &str {
        self.call.event()
    }

    /// The group, or a dash.
    pub fn pod(&self) -> &str {
        self.call.pod().unwrap_or("-")
    }

    /// What the instance is that the event is about, in Sentinel's word.
    pub fn role(&self) -> Option<&str> {
        match &self.call {
            Call::Notice(Notice {
                content: Content::Instance(instance),
                ..
            }) => Some(instance.kind.word()),
            Call::Notice(_) => None,
            Call::Reconfiguration(reconfiguration) => Some(&reconfiguration.role),
        }
    }

    /// As JSON is made of.
    pub fn record(&self) -> Record {
        let mut record = Record {
            podname: self.call.pod().map(str::to_owned),
            event: self.event().to_owned(),
            epoch: self.epoch,
            id: self.id.clone(),
            time: self.at.to_string(),
            sentinel: self.sentinel.clone(),
            host: self.host.clone(),
            trial: self.trial,
            ..Record::default()
        };
        match &self.call {
            Call::Notice(notice) => {
                record.description.clone_from(&notice.text);
                describe(notice, &mut record);
            }
            Call::Reconfiguration(moved) => {
                let Reconfiguration {
                    pod,
                    role,
                    state,
                    from,
                    to,
                } = moved;
                record.description = format!("{pod} {role} {state} {from} {to}");
                record.role = Some(role.clone());
                record.state = Some(state.clone());
                record.old_master_ip = Some(from.host().to_owned());
                record.old_master_port = Some(from.port());
                record.new_master_ip = Some(to.host().to_owned());
                record.new_master_port = Some(to.port());
            }
        }
        record
    }
}

fn describe(notice: &Notice, record: &mut Record) {
    match &notice.content {
        Content::Instance(instance) => {
            record.role = Some(instance.kind.word().to_owned());
            record.ip = Some(instance.addr.host().to_owned());
            record.port = Some(instance.addr.port());
            record.votes = instance.votes.map(|votes| votes.given);
            record.quorum = instance.votes.map(|votes| votes.quorum);
            record.extra = extra(notice, instance);
            match (notice.event.as_str(), instance.kind) {
                ("+promoted-slave" | "+convert-to-slave", Kind::Replica) => {
                    record.old_master_ip = Some(instance.master.host().to_owned());
                    record.old_master_port = Some(instance.master.port());
                    record.new_master_ip = Some(instance.addr.host().to_owned());
                    record.new_master_port = Some(instance.addr.port());
                }
                (
                    "+failover-end"
                    | "+failover-end-for-timeout"
                    | "+failover-state-reconf-slaves"
                    | "+elected-leader"
                    | "-failover-abort-no-good-slave"
                    | "-failover-abort-not-elected"
                    | "-failover-abort-slave-timeout",
                    Kind::Master,
                ) => {
                    record.old_master_ip = Some(instance.addr.host().to_owned());
                    record.old_master_port = Some(instance.addr.port());
                }
                _ => {}
            }
        }
        Content::Switch(switch) => {
            record.ip = Some(switch.to.host().to_owned());
            record.port = Some(switch.to.port());
            record.old_master_ip = Some(switch.from.host().to_owned());
            record.old_master_port = Some(switch.from.port());
            record.new_master_ip = Some(switch.to.host().to_owned());
            record.new_master_port = Some(switch.to.port());
        }
        Content::Epoch(epoch) => record.epoch = Some(*epoch),
        Content::Vote { leader, epoch } => {
            record.leader = Some(leader.clone());
            record.epoch = Some(*epoch);
        }
        Content::Text => {}
    }
}

/// `+set`'s option as `name=value`; of a replica or a Sentinel that comes or goes its group and master; else what follows the instance.
fn extra(notice: &Notice, instance: &Instance) -> Option<String> {
    match (notice.event.as_str(), &instance.rest[..]) {
        ("+sdown" | "-sdown" | "-odown" | "+failover-state-select-slave", rest)
            if instance.kind != Kind::Master =>
        {
            let port = instance.master.port().to_string();
            let words = [instance.pod.as_str(), instance.master.host(), port.as_str()];
            let rest = rest.iter().map(String::as_str);
            Some(words.into_iter().chain(rest).collect::<Vec<_>>().join(" "))
        }
        (_, []) => None,
        ("+set", [option]) => Some(option.clone()),
        ("+set", [option, values @ ..]) => Some(format!("{option}={}", values.join(" "))),
        (_, rest) => Some(rest.join(" ")),
    }
}
