//! The order is Sentinel's, total, and independent of the input's order.

use proptest::prelude::*;

use super::*;

fn node(port: u16, priority: u32, offset: i64, run: u8) -> Candidate {
    let id = RunId::from_bytes([9; 20]);
    let lineage = Lineage {
        id,
        second: RunId::from_bytes([0; 20]),
    };
    let addr = Addr::new("127.0.0.1", port).unwrap();
    Candidate {
        addr,
        priority,
        offset,
        lineage,
        run_id: RunId::from_bytes([run; 20]),
        usable: true,
    }
}

#[test]
fn priority_then_offset_then_run_id() {
    let nodes = [
        node(1, 100, 50, 1),
        node(2, 10, 1, 2),
        node(3, 100, 60, 9),
        node(4, 100, 60, 3),
    ];
    let ports: Vec<u16> = rank(&nodes, None).ordered.iter().map(|c| c.addr.port()).collect();
    assert_eq!(ports, [2, 4, 3, 1]);
}

#[test]
fn the_excluded_keep_their_reason() {
    let mut foreign = node(3, 100, 99, 1);
    foreign.lineage.id = RunId::from_bytes([7; 20]);
    let mut loading = node(2, 100, 99, 1);
    loading.usable = false;
    let recorded = RunId::from_bytes([9; 20]);
    let ranking = rank(
        &[node(1, 0, 99, 1), loading, foreign, node(4, 100, 1, 1)],
        Some(&recorded),
    );
    let why: Vec<Exclusion> = ranking.excluded.iter().map(|(_, why)| *why).collect();
    assert_eq!(
        why,
        [
            Exclusion::PriorityZero,
            Exclusion::NotUsable,
            Exclusion::ForeignLineage
        ]
    );
    assert_eq!(ranking.ordered.len(), 1);
}

proptest! {
    #[test]
    fn input_order_does_not_matter(mut ports in proptest::collection::vec((1u16..500, 0u32..3, 0i64..4, 0u8..3), 0..8)) {
        ports.sort_unstable_by_key(|p| p.0);
        ports.dedup_by_key(|p| p.0);
        let nodes: Vec<_> = ports.iter().map(|&(port, p, o, r)| node(port, p, o, r)).collect();
        let mut reversed = nodes.clone();
        reversed.reverse();
        prop_assert_eq!(rank(&nodes, None), rank(&reversed, None));
    }
}
