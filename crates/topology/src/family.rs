//! Which data set contains another: lineages and where one branches off another.
//!
//! A Redis gives its data set a new replication id when it is promoted, and when it starts as master. Offsets compare within one id
//! only, so the places where ids branch off must be known: "second id" of `INFO replication`, and what a wrapper saw at a start.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ReplicationId;

/// A point in a data set's history.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Point {
    /// The lineage.
    pub id: ReplicationId,
    /// Offset in bytes.
    pub offset: i64,
}

/// One lineage that goes on from a point of another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Branch {
    /// The newer lineage.
    pub id: ReplicationId,
    /// The last point of the older one that it contains.
    pub from: Point,
}

/// Everything known of who descends from whom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Family {
    branches: BTreeSet<Branch>,
}

impl Branch {
    /// What `INFO replication` says of a second id. Redis' `second_repl_offset` is the first byte that is *not* shared
    /// (replication.c, `shiftReplicationId`); `None` where there is no second id.
    pub fn of_second(id: &ReplicationId, second: &ReplicationId, second_offset: i64) -> Option<Self> {
        let none = second_offset < 0 || second.as_str().bytes().all(|digit| digit == b'0') || id == second;
        (!none).then(|| Self {
            id: id.clone(),
            from: Point {
                id: second.clone(),
                offset: second_offset - 1,
            },
        })
    }
}

impl FromIterator<Branch> for Family {
    fn from_iter<T: IntoIterator<Item = Branch>>(branches: T) -> Self {
        Self {
            branches: branches.into_iter().collect(),
        }
    }
}

impl Family {
    /// Whether a data set at `whole` contains everything of one at `part`.
    pub fn includes(&self, whole: &Point, part: &Point) -> bool {
        self.shared(&whole.id, whole.offset, &part.id)
            .is_some_and(|up_to| part.offset <= up_to)
    }

    /// Whether lineage `id` is `other` or goes on from it.
    pub fn descends(&self, id: &ReplicationId, other: &ReplicationId) -> bool {
        self.shared(id, i64::MAX, other).is_some()
    }

    /// Up to which offset of `other` a data set at `offset` of `id` contains it. Facts from several nodes may contradict
    /// each other or run in circles: every lineage is visited once, and the farthest answer counts.
    fn shared(&self, id: &ReplicationId, offset: i64, other: &ReplicationId) -> Option<i64> {
        let mut farthest = None;
        let mut visited = BTreeSet::new();
        let mut open = vec![(id.clone(), offset)];
        while let Some((id, offset)) = open.pop() {
            if id == *other {
                farthest = farthest.max(Some(offset));
                continue;
            }
            if !visited.insert(id.clone()) {
                continue;
            }
            let older = self.branches.iter().filter(|branch| branch.id == id);
            open.extend(older.map(|branch| (branch.from.id.clone(), branch.from.offset)));
        }
        farthest
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(n: u8) -> ReplicationId {
        ReplicationId::from_bytes([n; 20])
    }

    fn at(n: u8, offset: i64) -> Point {
        Point { id: id(n), offset }
    }

    fn branch(n: u8, from: u8, offset: i64) -> Branch {
        Branch {
            id: id(n),
            from: at(from, offset),
        }
    }

    #[test]
    fn within_one_lineage_the_larger_offset_contains_the_smaller() {
        let family = Family::default();
        assert!(family.includes(&at(1, 10), &at(1, 10)));
        assert!(family.includes(&at(1, 11), &at(1, 10)));
        assert!(!family.includes(&at(1, 9), &at(1, 10)));
        assert!(!family.includes(&at(2, 100), &at(1, 10)));
    }

    #[test]
    fn a_promoted_node_contains_its_old_lineage_up_to_the_branch() {
        let second = Branch::of_second(&id(2), &id(1), 101).unwrap();
        let family: Family = [second, branch(3, 2, 500)].into_iter().collect();
        assert!(family.includes(&at(2, 100), &at(1, 100)));
        assert!(
            !family.includes(&at(2, 900), &at(1, 101)),
            "not replicated before the promotion"
        );
        assert!(
            family.includes(&at(3, 0), &at(1, 100)),
            "two generations, the offset begins anew"
        );
        assert!(!family.includes(&at(1, 100), &at(2, 100)));
        assert!(family.descends(&id(3), &id(1)) && !family.descends(&id(1), &id(3)));
    }

    #[test]
    fn no_second_id_is_no_branch() {
        assert_eq!(Branch::of_second(&id(2), &id(0), 5), None);
        assert_eq!(Branch::of_second(&id(2), &id(1), -1), None);
    }

    prop_compose! {
        fn any_point()(n in 0u8..5, offset in 0i64..20) -> Point { at(n, offset) }
    }

    proptest! {
        #[test]
        fn any_facts_are_survived(
            branches in proptest::collection::vec((0u8..5, any_point()), 0..8),
            (a, b) in (any_point(), any_point()),
        ) {
            let family: Family = branches.into_iter().map(|(n, from)| Branch { id: id(n), from }).collect();
            prop_assert!(family.includes(&a, &a));
            let _ = family.includes(&a, &b);
        }
    }
}
