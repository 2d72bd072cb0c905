//! What Sentinel tells a notification script: an event's name, and its description as one text.
//!
//! The grammar is that of `sentinelEvent` (sentinel.c): `%@` stands for an instance, `<type> <name> <ip> <port>`, and for one that is
//! no master ` @ <master> <ip> <port>` after it. An event that this program has never heard of, and a description that is not what the
//! event's name promises, are passed on as they came: a relay that refuses what a newer Sentinel says loses alerts.

use topology::Addr;

/// One call of a notification script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The event's name, such as `+odown`.
    pub event: String,
    /// The description, as it came.
    pub text: String,
    /// What it says.
    pub content: Content,
}

/// What a description says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Something about one instance.
    Instance(Instance),
    /// `+switch-master`: the group has another master.
    Switch(Switch),
    /// `+new-epoch`.
    Epoch(u64),
    /// `+vote-for-leader`.
    Vote {
        /// The run id of whom this Sentinel voted for.
        leader: String,
        /// In which epoch.
        epoch: u64,
    },
    /// Not what the name promises, or an event without a form that is known.
    Text,
}

/// An instance that an event is about, and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// What it is, in Sentinel's word.
    pub kind: Kind,
    /// Its name: of a master the group's, of a replica `ip:port`, of a Sentinel its run id.
    pub name: String,
    /// Where it is.
    pub addr: Addr,
    /// The group it belongs to.
    pub pod: String,
    /// That group's master; the instance itself, if it is the master.
    pub master: Addr,
    /// `#quorum 2/3`: who agrees, of how many that must.
    pub votes: Option<Votes>,
    /// What else is said.
    pub rest: Vec<String>,
}

/// What an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The master of its group.
    Master,
    /// A replica; `slave` on the wire.
    Replica,
    /// Another Sentinel.
    Sentinel,
}

/// `#quorum 2/3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Votes {
    /// So many Sentinels agree.
    pub given: u64,
    /// So many must.
    pub quorum: u64,
}

/// The content of `+switch-master`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Switch {
    /// The group.
    pub pod: String,
    /// Its master before.
    pub from: Addr,
    /// Its master now.
    pub to: Addr,
}

impl Notice {
    /// Reads the two arguments. Never fails: see the module.
    pub fn read(event: &str, text: &str) -> Self {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let content = match event {
            "+switch-master" => switch(&words).map(Content::Switch),
            "+new-epoch" => match words[..] {
                [epoch] => epoch.parse().ok().map(Content::Epoch),
                _ => None,
            },
            "+vote-for-leader" => vote(&words),
            _ => instance(&words).map(Content::Instance),
        };
        Self {
            event: event.to_owned(),
            text: text.to_owned(),
            content: content.unwrap_or(Content::Text),
        }
    }

    /// The group it is about, where the description names one.
    pub fn pod(&self) -> Option<&str> {
        match &self.content {
            Content::Instance(instance) => Some(&instance.pod),
            Content::Switch(switch) => Some(&switch.pod),
            Content::Epoch(_) | Content::Vote { .. } | Content::Text => None,
        }
    }
}

impl Kind {
    /// Sentinel's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Replica => "slave",
            Self::Sentinel => "sentinel",
        }
    }

    fn read(word: &str) -> Option<Self> {
        [Self::Master, Self::Replica, Self::Sentinel]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

fn addr(host: &str, port: &str) -> Option<Addr> {
    Addr::new(host, port.parse().ok()?).ok()
}

fn switch(words: &[&str]) -> Option<Switch> {
    let [pod, from_ip, from_port, to_ip, to_port] = words else {
        return None;
    };
    Some(Switch {
        pod: (*pod).to_owned(),
        from: addr(from_ip, from_port)?,
        to: addr(to_ip, to_port)?,
    })
}

fn vote(words: &[&str]) -> Option<Content> {
    let [leader, epoch] = words else { return None };
    Some(Content::Vote {
        leader: (*leader).to_owned(),
        epoch: epoch.parse().ok()?,
    })
}

fn instance(words: &[&str]) -> Option<Instance> {
    let [kind, name, ip, port, rest @ ..] = words else {
        return None;
    };
    let (kind, addr_of_it) = (Kind::read(kind)?, addr(ip, port)?);
    let (pod, master, rest) = match (kind, rest) {
        (Kind::Master, rest) => (*name, addr_of_it.clone(), rest),
        (Kind::Replica | Kind::Sentinel, ["@", pod, master_ip, master_port, rest @ ..]) => {
            (*pod, addr(master_ip, master_port)?, rest)
        }
        (Kind::Replica | Kind::Sentinel, _) => return None,
    };
    let votes = rest.iter().position(|word| *word == "#quorum").and_then(|at| {
        let (given, quorum) = rest.get(at + 1)?.split_once('/')?;
        Some(Votes {
            given: given.parse().ok()?,
            quorum: quorum.parse().ok()?,
        })
    });
    Some(Instance {
        kind,
        name: (*name).to_owned(),
        addr: addr_of_it,
        pod: pod.to_owned(),
        master,
        votes,
        rest: rest.iter().map(|word| (*word).to_owned()).collect(),
    })
}

#[cfg(test)]
mod tests;
