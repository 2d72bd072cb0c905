//! What every promotion and every choice must be, looked at when it happens.

use failover::Warrant;
use topology::Addr;

use crate::mover::Decided;
use crate::world::World;

impl World {
    /// The moment that everything else is for.
    pub fn check_promotion(&mut self, id: u16, warrant: &Warrant, decided: &Decided) {
        let Decided {
            candidate,
            replaces,
            epoch,
            ..
        } = *decided;
        // A Sentinel that was elected later may have promoted that one again: epochs settle it.
        if self.writable(replaces) && self.nodes[replaces].epoch < epoch {
            self.breaks(format!(
                "node {candidate} was promoted at epoch {epoch} beside node {replaces}, which takes writes ({warrant})"
            ));
        }
        let votes = self
            .sentinels
            .iter()
            .filter(|sentinel| sentinel.votes.contains(&(epoch, id)));
        if votes.count() < 2 {
            self.breaks(format!(
                "node {candidate} was promoted at epoch {epoch} without a majority"
            ));
        }
        if !self.ghost.named.contains(&(epoch, candidate)) {
            self.breaks(format!(
                "node {candidate} was promoted at epoch {epoch}, which is not recorded"
            ));
        }
        let lost = self
            .ghost
            .confirmed
            .iter()
            .find(|write| !self.nodes[candidate].log.contains(write));
        if self.rules.durability == failover::Durability::Quorum
            && let Some(write) = lost
        {
            self.breaks(format!(
                "node {candidate} lacks write {write}, which was confirmed"
            ));
        }
    }

    /// A second promotion of the same master is right only while there is no later one.
    pub fn check_again(&mut self, candidate: usize, epoch: u64) {
        if let Some((later, other)) = self.ghost.named.iter().copied().find(|(named, _)| *named > epoch)
            && self.writable(other)
        {
            self.breaks(format!(
                "node {candidate} was promoted again for epoch {epoch} beside node {other} of epoch {later}"
            ));
        }
    }

    /// A candidate that was seen to have less than another is none.
    pub fn check_choice(&mut self, host: usize, choice: &failover::Choice) {
        let chosen = &choice.candidate;
        let excluded = |addr: &Addr| choice.excluded.iter().any(|(other, _)| other.addr == *addr);
        let view = self.mover(host).seen.clone().expect("it has looked");
        let failed = self.mover(host).attempt.failed.clone();
        for (addr, _) in view.nodes.iter().filter(|(addr, _)| **addr != chosen.addr) {
            let Some(other) = view.snapshot(addr).map(|snapshot| &snapshot.replication) else {
                continue;
            };
            let comparable = matches!(other.role, topology::Role::Replica { .. })
                && other.priority == chosen.priority
                && !excluded(addr)
                && choice.behind.iter().any(|behind| behind.addr == *addr);
            if comparable && other.offset > chosen.offset && !failed.contains(addr) {
                self.breaks(format!(
                    "{} was chosen before {addr}, which has more",
                    chosen.addr
                ));
            }
        }
    }
}
