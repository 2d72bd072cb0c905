//! Every rule as a sentence, and what holds for every field.

use proptest::prelude::*;
use topology::{Branch, Point};
use zkpaths::Stopped;

use super::*;

const NOW: u64 = 10 * LATELY_MS;

fn id(n: u8) -> ReplicationId {
    ReplicationId::from_bytes([n; 20])
}

fn addr(n: u8) -> Addr {
    Addr::new("10.0.0.1", 7000 + u16::from(n)).unwrap()
}

fn known(lineage: u8, offset: i64) -> Holding {
    timed(lineage, offset, 1)
}

fn timed(lineage: u8, offset: i64, modified_ms: u64) -> Holding {
    Holding::Known {
        point: Point {
            id: id(lineage),
            offset,
        },
        modified_ms,
    }
}

fn candidacy(n: u8, holds: Holding) -> Candidacy {
    Candidacy {
        node: Uuid::from_u128(n.into()),
        addr: addr(n),
        holds,
        window: Window::Open,
    }
}

fn node(n: u8) -> Node {
    Node {
        id: Uuid::from_u128(n.into()),
        addr: addr(n),
        point: Point { id: id(1), offset: 5 },
        branches: Vec::new(),
        append_only: None,
        stopped: Stopped::No,
        at_ms: NOW - 1000,
    }
}

/// We are candidate 0; the others count from 1.
fn field(mine: Holding, others: &[Holding]) -> Field {
    let others = others.iter().zip(1..);
    Field {
        whole: false,
        mine: Some(candidacy(0, mine)),
        others: others.map(|(holds, n)| candidacy(n, holds.clone())).collect(),
        nodes: Vec::new(),
        open_for: Duration::ZERO,
        at_ms: NOW,
    }
}

fn judge(field: &Field) -> Cold {
    cold(field, Past::Recorded, Some(&id(1)), &BTreeSet::new())
}

fn defer(n: u8, why: WhyDefer) -> Cold {
    Cold::Defer { to: addr(n), why }
}

#[test]
fn alone_on_an_empty_tree_is_at_once() {
    assert_eq!(
        cold(&Field::default(), Past::None, None, &BTreeSet::new()),
        Cold::Win(WhyWin::Alone)
    );
}

#[test]
fn an_empty_tree_has_nobody_to_wait_for_but_does_not_overlook_data() {
    let empty_tree = |field: &Field| cold(field, Past::None, None, &BTreeSet::new());
    let mut field = field(Holding::Nothing, &[known(1, 9)]);
    assert_eq!(empty_tree(&field), defer(1, WhyDefer::WeAreEmpty));
    field.others.clear();
    field.nodes = vec![node(1)];
    assert_eq!(empty_tree(&field), Cold::Win(WhyWin::NobodyCame));
}

#[test]
fn nodes_seen_lately_are_waited_for_and_no_longer_than_the_window() {
    let mut field = field(known(1, 9), &[]);
    field.nodes = vec![node(0), node(1)];
    let wait = Cold::Wait {
        missing: vec![addr(1)],
        left: WINDOW,
    };
    assert_eq!(judge(&field), wait);
    assert_eq!(
        cold(&field, Past::Recorded, None, &BTreeSet::from([&addr(1)])),
        Cold::Win(WhyWin::Alone)
    );
    field.open_for = WINDOW;
    assert_eq!(judge(&field), Cold::Win(WhyWin::NobodyCame));
    field.open_for = Duration::ZERO;
    field.nodes[1].at_ms = NOW - LATELY_MS - 1;
    assert_eq!(judge(&field), Cold::Win(WhyWin::Alone));
    // One that has more is worth the wait, however long it was away.
    field.nodes[1].point.offset = 10;
    assert_eq!(judge(&field), wait);
    field.mine = Some(candidacy(0, Holding::Nothing));
    field.nodes[1].point.offset = 2;
    assert_eq!(judge(&field), wait);
}

#[test]
fn whoever_comes_late_does_not_wait_again() {
    let mut field = field(known(1, 9), &[known(1, 8)]);
    field.nodes = vec![node(2)];
    assert!(matches!(judge(&field), Cold::Wait { .. }));
    field.others[0].window = Window::Over;
    assert_eq!(judge(&field), Cold::Win(WhyWin::Freshest));
}

#[test]
fn everybody_back_is_decided_at_once() {
    let mut field = field(known(1, 9), &[known(1, 10)]);
    field.nodes = vec![node(0), node(1)];
    assert_eq!(judge(&field), defer(1, WhyDefer::FurtherInOurLineage));
}

#[test]
fn the_larger_offset_of_one_lineage_wins_whatever_the_clocks_say() {
    let field = field(timed(1, 9, 999), &[timed(1, 10, 1), timed(1, 8, 9999)]);
    assert_eq!(judge(&field), defer(1, WhyDefer::FurtherInOurLineage));
}

#[test]
fn an_empty_node_never_wins_over_data() {
    for data in [known(1, 0), known(7, 3), Holding::Unknown { modified_ms: 0 }] {
        assert_eq!(
            judge(&field(Holding::Nothing, &[data])),
            defer(1, WhyDefer::WeAreEmpty)
        );
    }
    assert_eq!(
        judge(&field(Holding::Nothing, &[Holding::Nothing])),
        Cold::Win(WhyWin::AllEmpty)
    );
}

#[test]
fn the_recorded_lineage_wins_over_others_and_then_time() {
    assert_eq!(
        judge(&field(timed(2, 900, 900), &[timed(1, 5, 5)])),
        defer(1, WhyDefer::RecordedLineage)
    );
    assert_eq!(
        judge(&field(timed(1, 5, 5), &[timed(2, 900, 900)])),
        Cold::Win(WhyWin::Freshest)
    );
    assert_eq!(
        judge(&field(timed(3, 900, 5), &[timed(2, 1, 6)])),
        defer(1, WhyDefer::Newer)
    );
    let unknown = Holding::Unknown { modified_ms: 999 };
    assert_eq!(
        judge(&field(unknown, &[known(1, 1)])),
        defer(1, WhyDefer::RecordedLineage)
    );
}

#[test]
fn a_descendant_contains_what_it_branched_off() {
    let mut field = field(known(1, 100), &[known(2, 5)]);
    field.nodes = vec![Node {
        branches: vec![Branch {
            id: id(2),
            from: Point {
                id: id(1),
                offset: 100,
            },
        }],
        ..node(1)
    }];
    assert_eq!(judge(&field), defer(1, WhyDefer::FurtherInOurLineage));
    // What was written to the old lineage after the branch was never part of the group's data.
    field.mine = Some(candidacy(0, timed(1, 150, 999)));
    let recorded = cold(&field, Past::Recorded, Some(&id(2)), &BTreeSet::new());
    assert_eq!(recorded, defer(1, WhyDefer::RecordedLineage));
}

#[test]
fn equals_do_not_defer_to_each_other() {
    assert_eq!(
        judge(&field(known(1, 9), &[known(1, 9)])),
        Cold::Win(WhyWin::Freshest)
    );
}

fn any_holding() -> impl Strategy<Value = Holding> {
    prop_oneof![
        Just(Holding::Nothing),
        (0u64..5).prop_map(|modified_ms| Holding::Unknown { modified_ms }),
        (1u8..5, 0i64..6, 0u64..5).prop_map(|(lineage, offset, at)| timed(lineage, offset, at)),
    ]
}

prop_compose! {
    fn any_starters()(
        holdings in proptest::collection::vec(any_holding(), 1..6),
        branches in proptest::collection::vec((1u8..5, 1u8..5, 0i64..6), 0..5),
    ) -> (Vec<Candidacy>, Vec<Node>) {
        let branches = branches.into_iter().map(|(n, from, offset)| Branch {
            id: id(n),
            from: Point { id: id(from), offset },
        });
        let candidacies = holdings.into_iter().zip(0..).map(|(holds, n)| candidacy(n, holds)).collect();
        (candidacies, vec![Node { branches: branches.collect(), ..node(0) }])
    }
}

fn seen_by(starters: &[Candidacy], me: usize, nodes: &[Node]) -> Field {
    let mut others = starters.to_vec();
    let mine = Some(others.remove(me));
    Field {
        whole: false,
        mine,
        others,
        nodes: nodes.to_vec(),
        open_for: WINDOW,
        at_ms: NOW,
    }
}

proptest! {
    #[test]
    fn somebody_wins_and_whoever_defers_defers_to_one_who_does((starters, nodes) in any_starters()) {
        let answers: Vec<Cold> = (0..starters.len()).map(|me| judge(&seen_by(&starters, me, &nodes))).collect();
        let wins = |cold: &Cold| matches!(cold, Cold::Win(_));
        prop_assert!(answers.iter().any(wins), "{:?}", answers);
        for answer in &answers {
            if let Cold::Defer { to, .. } = answer {
                let winner = starters.iter().position(|starter| starter.addr == *to).unwrap();
                prop_assert!(wins(&answers[winner]), "{:?}", answers);
            }
        }
    }

    #[test]
    fn data_always_wins_over_none((starters, nodes) in any_starters()) {
        let data = starters.iter().any(|starter| starter.holds != Holding::Nothing);
        for me in 0..starters.len() {
            if data && starters[me].holds == Holding::Nothing {
                let answer = judge(&seen_by(&starters, me, &nodes));
                prop_assert!(matches!(answer, Cold::Defer { .. }), "{:?}", answer);
            }
        }
    }

    #[test]
    fn less_of_one_lineage_never_wins((mut starters, _) in any_starters(), offset in 0i64..6) {
        starters[0].holds = known(1, offset);
        starters.push(candidacy(9, known(1, offset + 1)));
        let answer = judge(&seen_by(&starters, 0, &[]));
        prop_assert!(matches!(answer, Cold::Defer { .. }), "{:?}", answer);
    }
}

#[test]
fn a_group_that_goes_on_with_nothing_is_told_from_a_new_one() {
    use Beginning::{EmptyAgain, New, WithData};
    use WhyMaster::{FirstStart, RecordedIsGone, ResumeAlone};
    let (data, nothing) = (known(1, 5), Holding::Nothing);
    for (why, mine, expected) in [
        (FirstStart, None, New),
        (FirstStart, Some(&data), New),
        (ResumeAlone, Some(&data), WithData),
        (ResumeAlone, Some(&nothing), EmptyAgain),
        (RecordedIsGone, Some(&nothing), EmptyAgain),
        (RecordedIsGone, None, EmptyAgain),
    ] {
        assert_eq!(beginning(why, mine), expected, "{why:?} {mine:?}");
    }
}
