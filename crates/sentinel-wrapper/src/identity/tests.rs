//! Which run id a new Sentinel takes; never two holders.

use proptest::prelude::*;

use super::*;

fn id(n: u8) -> RunId {
    RunId::from_bytes([n; 20])
}

fn own() -> Addr {
    "10.0.0.1:26379".parse().unwrap()
}

fn at(port: u16, answers: Answers) -> Holder {
    Holder::At {
        addr: Addr::new("10.0.0.1", port).unwrap(),
        answers,
    }
}

fn slots(holders: &[Holder]) -> BTreeMap<RunId, Holder> {
    (1u8..)
        .zip(holders)
        .map(|(n, holder)| (id(n), holder.clone()))
        .collect()
}

#[test]
fn an_old_run_id_before_a_new_one() {
    use Answers::{No, Yes};
    use Holder::{Nobody, Starting};
    use Patience::{Exhausted, Left};
    let rows: [(&[Holder], Option<u8>, Patience, Choice); 10] = [
        (&[], None, Left, Choice::New(Made::AllAlive)),
        (&[Nobody, Nobody], None, Left, Choice::Take(id(1), Taken::Free)),
        (&[Nobody, Nobody], Some(2), Left, Choice::Take(id(2), Taken::Own)),
        (
            &[Nobody, at(1, Yes)],
            Some(2),
            Left,
            Choice::Take(id(1), Taken::Free),
        ),
        (&[Nobody], Some(7), Left, Choice::Take(id(1), Taken::Free)),
        (&[at(1, Yes), at(2, Yes)], None, Left, Choice::New(Made::AllAlive)),
        (&[at(1, Yes), at(2, No)], None, Left, Choice::Await(vec![id(2)])),
        (
            &[at(1, Yes), at(2, No)],
            None,
            Exhausted,
            Choice::New(Made::WaitedLongEnough),
        ),
        (&[Starting, Starting], None, Left, Choice::New(Made::AllAlive)),
        // Nobody but this Sentinel's own predecessor can be at its address, whoever answers there.
        (&[at(26379, Yes)], Some(1), Left, Choice::Await(vec![id(1)])),
    ];
    for (holders, previous, patience, expected) in rows {
        let previous = previous.map(id);
        assert_eq!(
            choose(&slots(holders), previous.as_ref(), &own(), patience, 0),
            expected,
            "{holders:?}"
        );
    }
}

fn holder() -> impl Strategy<Value = Holder> {
    prop_oneof![
        Just(Holder::Nobody),
        Just(Holder::Starting),
        (1u16..9).prop_map(|port| at(port, Answers::Yes)),
        (1u16..9).prop_map(|port| at(port, Answers::No)),
    ]
}

proptest! {
    #[test]
    fn never_two_holders_and_no_endless_wait(
        holders in proptest::collection::vec(holder(), 0..6),
        previous in proptest::option::of(0u8..8),
        chance in any::<usize>(),
    ) {
        let slots = slots(&holders);
        let previous = previous.map(id);
        let choice = |patience| choose(&slots, previous.as_ref(), &own(), patience, chance);
        if let Choice::Take(id, _) = choice(Patience::Left) {
            prop_assert_eq!(slots.get(&id), Some(&Holder::Nobody));
        }
        prop_assert!(!matches!(choice(Patience::Exhausted), Choice::Await(_)));
    }

    #[test]
    fn chance_reaches_every_free_slot(free in 1usize..6) {
        let slots = slots(&vec![Holder::Nobody; free]);
        let taken: std::collections::BTreeSet<String> = (0..free)
            .map(|chance| format!("{:?}", choose(&slots, None, &own(), Patience::Left, chance)))
            .collect();
        prop_assert_eq!(taken.len(), free);
    }
}
