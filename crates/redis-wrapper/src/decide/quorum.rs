//! `DURABILITY=quorum` at the start: what a node does when so many are down that nobody may be promoted.
//!
//! Those that are down come back through here, so nobody may wait for the others before it runs itself: a group whose nodes do would
//! wait for ever. Pure.

use topology::{Candidate, Family, Point};

use super::cold::WhyWin;
use super::plan::{Plan, StandBy, WhyMaster, WhyReplica};
use crate::view::View;

/// Before the best of those alive is promoted: we are the recorded master, and whatever a client was told is on our disk. Then
/// nobody has to be asked. It is so while the host stays up, or where a replica is known to have no more than we have.
pub fn resume(view: &View, best: &Candidate) -> Option<Plan> {
    let record = view.believed().filter(|record| record.addr == view.me)?;
    let mine = view.field.mine.as_ref()?.holds.point()?;
    let branches = view.field.nodes.iter().flat_map(|node| node.branches.clone());
    let family: Family = branches.collect();
    let theirs = Point {
        id: best.lineage.id.clone(),
        offset: best.offset,
    };
    let has_all = view.field.whole && family.descends(&mine.id, &theirs.id);
    (has_all || family.includes(mine, &theirs)).then_some(Plan::Master {
        epoch: record.epoch,
        why: WhyMaster::HasEveryWrite,
        disk: WhyWin::Freshest,
    })
}

/// After it was found that too few answer to promote one of them.
pub fn too_few(view: &View) -> Plan {
    match view.believed() {
        // It keeps its data, and can be counted and chosen.
        Some(record) if record.addr != view.me => Plan::Replica {
            of: record.addr,
            why: WhyReplica::TooFewToPromote,
        },
        Some(_) | None => Plan::StandBy(StandBy::TooFew),
    }
}

#[cfg(test)]
mod tests {
    use topology::{Addr, Lineage, ReplicationId, RunId};
    use uuid::Uuid;
    use zkpaths::{Candidacy, Holding, Window};

    use super::*;
    use crate::decide::tests::{ME, addr, empty_view, recorded as record_of};

    fn best(offset: i64, id: u8) -> Candidate {
        Candidate {
            addr: addr(7001),
            priority: 100,
            offset,
            lineage: Lineage {
                id: ReplicationId::from_bytes([id; 20]),
                second: ReplicationId::from_bytes([0; 20]),
            },
            run_id: RunId::from_bytes([8; 20]),
            usable: true,
        }
    }

    fn view(master: u16, offset: Option<i64>, whole: bool) -> View {
        let mut view = empty_view();
        view.recorded = record_of(master, 3);
        let id = ReplicationId::from_bytes([5; 20]);
        view.field.whole = whole;
        view.field.mine = Some(Candidacy {
            node: Uuid::nil(),
            addr: addr(ME),
            window: Window::Open,
            holds: match offset {
                Some(offset) => Holding::Known {
                    point: Point { id, offset },
                    modified_ms: 0,
                },
                None => Holding::Nothing,
            },
        });
        view
    }

    #[test]
    fn a_master_that_has_every_write_resumes() {
        for (master, offset, whole, best, resumes) in [
            (ME, Some(900), false, best(900, 5), true),
            (ME, Some(899), false, best(900, 5), false),
            // What the record knows is old; the file has all.
            (ME, Some(100), true, best(900, 5), true),
            // It goes on from something else.
            (ME, Some(1000), true, best(900, 6), false),
            (ME, None, true, best(900, 5), false),
            (7001, Some(1000), true, best(900, 5), false),
        ] {
            let view = view(master, offset, whole);
            assert_eq!(
                resume(&view, &best).is_some(),
                resumes,
                "{master} {offset:?} {whole}"
            );
        }
    }

    #[test]
    fn who_is_not_recorded_comes_up_so_that_it_counts() {
        let of: Addr = addr(7001);
        let why = WhyReplica::TooFewToPromote;
        assert_eq!(too_few(&view(7001, None, false)), Plan::Replica { of, why });
        assert_eq!(too_few(&view(ME, None, false)), Plan::StandBy(StandBy::TooFew));
    }
}
