//! A number for a state, by which two that are the same are known.

use std::hash::{DefaultHasher, Hash, Hasher};

use failover::Attempt;

use crate::mover::Mover;
use crate::world::World;

pub fn fingerprint(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    let World {
        nodes,
        sentinels,
        zk,
        movers,
        links,
        ..
    } = world;
    (world.now, world.again, nodes, sentinels, zk, movers, links).hash(&mut hasher);
    (world.faults, &world.ghost).hash(&mut hasher);
    hasher.finish()
}

impl Hash for Mover {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Attempt {
            warrant,
            votes,
            elections,
            prepared,
            failed,
            any_lineage,
            unheard_for_long: _,
        } = &self.attempt;
        warrant.to_string().hash(state);
        votes.map(|votes| (votes.epoch.0, votes.granted)).hash(state);
        (elections, prepared, failed, any_lineage).hash(state);
        (
            self.stage,
            self.asked_at,
            self.since,
            self.lock,
            self.tries,
            self.paused,
        )
            .hash(state);
        let decided = self.decided.as_ref();
        decided
            .map(|it| {
                (
                    it.candidate,
                    it.run_id.as_str(),
                    it.replaces,
                    it.epoch,
                    it.version,
                )
            })
            .hash(state);
        // What it has seen.
        let Some(view) = &self.seen else { return };
        view.recorded.as_ref().map(|(_, version)| version.0).hash(state);
        view.lease
            .as_ref()
            .map(|seen| (seen.version.0, seen.unchanged_for))
            .hash(state);
        for (addr, probe) in &view.nodes {
            let snapshot = view
                .snapshot(addr)
                .map(|it| (it.run_id.as_str(), it.replication.offset));
            let master = view.answers_as_master(addr).is_some();
            (std::mem::discriminant(probe), snapshot, master).hash(state);
        }
        for (sentinel, report) in view.reports() {
            let master = (&report.record.addr, report.record.epoch.0);
            (
                &sentinel.addr,
                sentinel.last_vote.0,
                master,
                &report.failover_state,
            )
                .hash(state);
            (report.flags.subjectively_down, report.flags.disconnected).hash(state);
        }
    }
}
