//! Finds the Sentinels and replicas of each group where there is no ZooKeeper to register in: from the addresses in the settings, and what
//! the Sentinels there say of each other.
//!
//! A Sentinel belongs to a group if it said so when it answered last, or if one that answers counts it. One that never
//! answered belongs to none, unless nobody answers for the group: else one dead address would count against every majority.
//! A name and an address of one Sentinel are one, by its run id. Who is counted by nobody any more is forgotten.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use instance::{InstanceError, ReplicaReport, Sentinel};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use topology::{Addr, MasterName, RunId};
use tracing::{debug, info, warn};
use zkpaths::encode_address;

use crate::happy::pages::{Heard, SentinelState};
use crate::lines::Lines;
use crate::pace::jittered;
use crate::recorder::Memory;

/// How long one Sentinel may take to tell all it knows.
const DEADLINE: Duration = Duration::from_secs(2);
/// How often they are asked.
const PERIOD: Duration = Duration::from_secs(5);
/// The same, while some group has nobody.
const SOON: Duration = Duration::from_secs(1);

/// What one Sentinel told.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    id: RunId,
    /// The groups it watches, of those that are asked for, with whom else it counts there.
    groups: BTreeMap<MasterName, BTreeMap<RunId, Addr>>,
}

/// What is known, by address.
#[derive(Debug, Default)]
struct Census {
    /// What each told last, and whether it was this time.
    told: BTreeMap<Addr, (Told, When)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Now,
    Before,
}

/// Where it is written down what was learned.
pub(crate) struct Ledger {
    /// Of each group.
    pub(crate) groups: BTreeMap<MasterName, Memory>,
    /// The Sentinels of all groups.
    pub(crate) all: Memory,
    /// Each Sentinel, for redishappy's page.
    pub(crate) heard: watch::Sender<Arc<BTreeMap<Addr, Heard>>>,
}

/// Asks until `stop`, and writes down what it learns.
pub(crate) async fn census(seeds: Vec<Addr>, ledger: Ledger, lines: Lines, stop: CancellationToken) {
    let Ledger { groups, all, heard } = ledger;
    let seeds: BTreeSet<Addr> = seeds.into_iter().collect();
    let names: BTreeSet<MasterName> = groups.keys().cloned().collect();
    let mut census = Census::default();
    let mut silent: BTreeSet<Addr> = BTreeSet::new();
    let unheard = |addr: &Addr| {
        (
            addr.clone(),
            Heard {
                state: SentinelState::Added,
                updated: SystemTime::now(),
                clusters: None,
            },
        )
    };
    heard.send_replace(Arc::new(seeds.iter().map(unheard).collect()));
    loop {
        let asked: BTreeSet<Addr> = seeds.iter().cloned().chain(census.members(&names)).collect();
        let answers = tokio::select! {
            () = stop.cancelled() => return,
            answers = join_all(asked.iter().map(|addr| ask(&lines, addr, &names))) => answers,
        };
        let mut replicas: BTreeMap<MasterName, Vec<ReplicaReport>> = BTreeMap::new();
        let mut said = BTreeMap::new();
        for (addr, answer) in asked.iter().zip(answers) {
            match answer {
                Ok((told, seen)) => {
                    if silent.remove(addr) {
                        info!(sentinel = %addr, "a sentinel answers again");
                    }
                    // The one that knows most: a fresh one has not found them yet.
                    for (name, reports) in seen {
                        let known = replicas.entry(name).or_default();
                        if reports.len() > known.len() {
                            *known = reports;
                        }
                    }
                    said.insert(addr.clone(), told);
                }
                Err(reason) => {
                    if silent.insert(addr.clone()) {
                        warn!(sentinel = %addr, %reason, "a sentinel does not answer; asking on");
                    }
                }
            }
        }
        census.after(said, &asked);
        heard.send_modify(|heard| *heard = Arc::new(census.page(heard, &asked, SystemTime::now())));
        silent.retain(|addr| asked.contains(addr));
        let (mut empty, mut everybody) = (false, BTreeMap::new());
        for (name, memory) in &groups {
            let roster = census.roster(name, &seeds);
            empty |= census.nobody(name);
            everybody.extend(roster.clone());
            memory.sentinels_are(roster);
            // Nobody told this time: what was told before stands.
            if let Some(replicas) = replicas.remove(name) {
                memory.replicas_are(replicas);
            }
        }
        all.sentinels_are(everybody);
        let wait = jittered(if empty { SOON } else { PERIOD }, rand::random());
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

type Answer = (Told, BTreeMap<MasterName, Vec<ReplicaReport>>);

async fn ask(lines: &Lines, addr: &Addr, wanted: &BTreeSet<MasterName>) -> Result<Answer, String> {
    let line = lines.to(addr);
    let one = |name: MasterName, sentinel: Sentinel| async move {
        let known = tokio::try_join!(sentinel.peers(&name), sentinel.replicas(&name));
        (name, known)
    };
    let answer = timeout(DEADLINE, async {
        let sentinel = line.get().await?;
        let (id, watched) = tokio::try_join!(sentinel.my_id(), sentinel.groups())?;
        let mut groups = BTreeMap::new();
        let mut replicas = BTreeMap::new();
        // All over one connection, one behind the other, without waiting for each.
        let asked = watched.into_iter().filter(|name| wanted.contains(name));
        for (name, known) in join_all(asked.map(|name| one(name, sentinel.clone()))).await {
            match known {
                Ok((peers, seen)) => {
                    let peers = peers.into_iter().map(|peer| (peer.run_id, peer.addr));
                    groups.insert(name.clone(), peers.collect());
                    replicas.insert(name, seen);
                }
                // It is watched no more since the list was read, or something of it cannot be read: the other groups' answers count.
                Err(reason) => {
                    debug!(sentinel = %addr, %name, %reason, "a sentinel does not tell of a group");
                }
            }
        }
        Ok::<Answer, InstanceError>((Told { id, groups }, replicas))
    });
    match answer.await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(program::chain(&error)),
        Err(_) => {
            lines.give_up(&line);
            Err(format!("no answer within {} s", DEADLINE.as_secs()))
        }
    }
}

impl Census {
    /// Replaces what was told; who was asked and did not answer is remembered as it was, who was not asked any more is not.
    fn after(&mut self, said: BTreeMap<Addr, Told>, asked: &BTreeSet<Addr>) {
        self.told.retain(|addr, _| asked.contains(addr));
        for (_, when) in self.told.values_mut() {
            *when = When::Before;
        }
        let now = said.into_iter().map(|(addr, told)| (addr, (told, When::Now)));
        self.told.extend(now);
    }

    /// What redishappy's page says of each.
    fn page(
        &self,
        before: &BTreeMap<Addr, Heard>,
        asked: &BTreeSet<Addr>,
        now: SystemTime,
    ) -> BTreeMap<Addr, Heard> {
        let one = |addr: &Addr| match self.told.get(addr) {
            Some((told, When::Now)) => Heard {
                state: SentinelState::Alive,
                updated: now,
                clusters: Some(told.groups.keys().cloned().collect()),
            },
            told => {
                let since = before
                    .get(addr)
                    .filter(|heard| heard.state == SentinelState::Down);
                Heard {
                    state: SentinelState::Down,
                    updated: since.map_or(now, |heard| heard.updated),
                    clusters: told.map(|(told, _)| told.groups.keys().cloned().collect()),
                }
            }
        };
        asked.iter().map(|addr| (addr.clone(), one(addr))).collect()
    }

    /// Everybody who is counted in any of the groups.
    fn members(&self, names: &BTreeSet<MasterName>) -> Vec<Addr> {
        let counted = names.iter().flat_map(|name| self.counted(name));
        counted.map(|(_, addr)| addr).collect()
    }

    /// Who belongs to a group, by run id. The address by which a Sentinel answered wins over the one that others have.
    fn counted(&self, name: &MasterName) -> BTreeMap<RunId, Addr> {
        let of = |wanted: When| {
            let told = self.told.iter().filter(move |(_, (_, when))| *when == wanted);
            told.filter_map(|(addr, (told, _))| Some((addr, told, told.groups.get(name)?)))
        };
        // Each outdoes what stands before it: where a silent one answered last, where others say that it is now, where it answers.
        let named: BTreeMap<RunId, Addr> = of(When::Now).flat_map(|(_, _, others)| others.clone()).collect();
        let answers = of(When::Now).count();
        let mut counted: BTreeMap<RunId, Addr> = BTreeMap::new();
        for (addr, told, _) in of(When::Before) {
            // Enough of them answer, and none counts it: it is gone.
            if named.contains_key(&told.id) || answers * 2 <= named.len() {
                counted.insert(told.id.clone(), addr.clone());
            }
        }
        counted.extend(named);
        counted.extend(of(When::Now).map(|(addr, told, _)| (told.id.clone(), addr.clone())));
        counted
    }

    fn nobody(&self, name: &MasterName) -> bool {
        !self.told.values().any(|(told, _)| told.groups.contains_key(name))
    }

    /// The bytes of a registration for each Sentinel of the group.
    fn roster(&self, name: &MasterName, seeds: &BTreeSet<Addr>) -> BTreeMap<String, Vec<u8>> {
        let counted = self.counted(name);
        if !counted.is_empty() {
            let bytes = |(id, addr): (RunId, Addr)| (id.to_string(), encode_address(&addr));
            return counted.into_iter().map(bytes).collect();
        }
        let silent = seeds.iter().filter(|seed| !self.told.contains_key(*seed));
        silent
            .map(|seed| (seed.to_string(), encode_address(seed)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(port: u16) -> Addr {
        Addr::new("10.0.0.1", port).expect("an address")
    }

    fn id(n: u8) -> RunId {
        RunId::from_bytes([n; 20])
    }

    fn name(text: &str) -> MasterName {
        text.parse().expect("a name")
    }

    /// A Sentinel that watches `group` with these others.
    fn told(own: u8, group: &str, others: &[(u8, u16)]) -> Told {
        let others = others.iter().map(|(n, port)| (id(*n), addr(*port))).collect();
        Told {
            id: id(own),
            groups: [(name(group), others)].into(),
        }
    }

    fn ports(roster: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
        let mut ports: Vec<String> = roster
            .values()
            .map(|bytes| {
                String::from_utf8_lossy(bytes)
                    .trim_start_matches("10.0.0.1 ")
                    .to_owned()
            })
            .collect();
        ports.sort();
        ports
    }

    #[test]
    fn others_are_found_and_forgotten_and_the_silent_stay() {
        let seeds: BTreeSet<Addr> = [addr(1), addr(9)].into();
        let group = name("a");
        let mut census = Census::default();
        let asked: BTreeSet<Addr> = seeds.clone();
        assert_eq!(
            ports(&census.roster(&group, &seeds)),
            ["1", "9"],
            "nobody answers: everybody may be one"
        );
        census.after([(addr(1), told(1, "a", &[(2, 2), (3, 3)]))].into(), &asked);
        assert_eq!(
            ports(&census.roster(&group, &seeds)),
            ["1", "2", "3"],
            "9 never answered"
        );
        let asked: BTreeSet<Addr> = [addr(1), addr(2), addr(3), addr(9)].into();
        census.after([(addr(2), told(2, "a", &[(1, 1), (3, 3)]))].into(), &asked);
        assert_eq!(
            ports(&census.roster(&group, &seeds)),
            ["1", "2", "3"],
            "1 was one when it answered last"
        );
        census.after(
            [
                (addr(1), told(1, "a", &[(2, 2)])),
                (addr(2), told(2, "a", &[(1, 1)])),
            ]
            .into(),
            &asked,
        );
        assert_eq!(
            ports(&census.roster(&group, &seeds)),
            ["1", "2"],
            "3 is counted by nobody"
        );
    }

    #[test]
    fn who_moves_is_found_at_its_new_address_and_who_is_replaced_is_forgotten() {
        let seeds: BTreeSet<Addr> = [addr(1), addr(2)].into();
        let group = name("a");
        let mut census = Census::default();
        let all: BTreeSet<Addr> = [addr(1), addr(2), addr(3)].into();
        let said = |third: (u8, u16)| {
            [
                (addr(1), told(1, "a", &[(2, 2), third])),
                (addr(2), told(2, "a", &[(1, 1), third])),
            ]
        };
        let mut first = BTreeMap::from(said((3, 3)));
        first.insert(addr(3), told(3, "a", &[(1, 1), (2, 2)]));
        census.after(first, &all);
        assert_eq!(ports(&census.roster(&group, &seeds)), ["1", "2", "3"]);
        // The third is at another address now, as the others have heard.
        census.after(said((3, 33)).into(), &all);
        assert_eq!(ports(&census.roster(&group, &seeds)), ["1", "2", "33"]);
        // Or it was replaced by another one.
        census.after(said((4, 4)).into(), &all);
        assert_eq!(ports(&census.roster(&group, &seeds)), ["1", "2", "4"]);
        // One alone that counts nobody else may be the one that was reset: nobody is forgotten on its word.
        census.after(BTreeMap::from(said((3, 3))), &all);
        census.after([(addr(1), told(1, "a", &[(2, 2), (3, 3)]))].into(), &all);
        assert_eq!(ports(&census.roster(&group, &seeds)), ["1", "2", "3"]);
    }

    #[test]
    fn a_sentinel_of_another_group_is_none_of_ours_and_two_names_are_one_sentinel() {
        let seeds: BTreeSet<Addr> = [addr(1), addr(2)].into();
        let mut census = Census::default();
        // 2 announces itself to others as 22.
        let said = [
            (addr(1), told(1, "a", &[(2, 22)])),
            (addr(2), told(2, "a", &[(1, 1)])),
        ];
        census.after(said.into(), &seeds);
        assert_eq!(ports(&census.roster(&name("a"), &seeds)), ["1", "2"]);
        let said = [(addr(1), told(1, "a", &[])), (addr(2), told(2, "b", &[]))];
        census.after(said.into(), &seeds);
        assert_eq!(ports(&census.roster(&name("a"), &seeds)), ["1"]);
        assert_eq!(ports(&census.roster(&name("b"), &seeds)), ["2"]);
        assert!(census.nobody(&name("c")) && census.roster(&name("c"), &seeds).is_empty());
    }
}
