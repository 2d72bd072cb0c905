//! Tables of what happens, and properties of whatever may happen.

use std::time::Duration;

use instance::Flags;
use proptest::prelude::*;
use registry::Version;
use supervisor::BootTime;
use topology::{Addr, Epoch, MasterRecord, Role};
use zkpaths::Phase;

use super::isolation::{GRACE, Silent};
use super::sentinels::{Answer, VOTE_COUNTS};
use super::words::{Action, Input, NotRenewed, Record, Standing, Way, WhyFence};
use super::{FENCE_DEADLINE, Lease};

const LENGTH: u64 = 1500;

fn me() -> Addr {
    "10.0.0.1:6379".parse().unwrap()
}

fn other() -> Addr {
    "10.0.0.2:6379".parse().unwrap()
}

/// Milliseconds after a boot long ago.
fn at(ms: u64) -> BootTime {
    BootTime::at(Duration::from_secs(100) + Duration::from_millis(ms))
}

fn role(ms: u64, role: Role) -> Input {
    Input::Role {
        asked: at(ms),
        role: Some(role),
    }
}

fn fenced() -> Role {
    let (host, port) = Role::FENCE;
    Role::Replica {
        of: Addr::new(host, port).unwrap(),
    }
}

fn us(version: i32, epoch: u64) -> Input {
    Input::Recorded(Record::Us {
        version: Version(version),
        epoch: Epoch(epoch),
    })
}

fn another(epoch: u64, phase: Phase) -> Input {
    Input::Recorded(Record::Another {
        addr: other(),
        epoch: Epoch(epoch),
        phase,
    })
}

fn around(others: usize, sentinels: usize) -> Input {
    Input::Around { others, sentinels }
}

fn renewed(sent: u64, epoch: u64) -> Input {
    Input::Renewed {
        sent: at(sent),
        epoch: Epoch(epoch),
    }
}

fn answer(number: u16, epoch: u64) -> Answer {
    Answer {
        sentinel: Addr::new("10.0.1.1", number + 1).unwrap(),
        master: MasterRecord {
            addr: me(),
            epoch: Epoch(epoch),
        },
        flags: Flags::default(),
        last_vote: Epoch(epoch),
        others: 2,
    }
}

fn polled(sent: u64, answers: impl IntoIterator<Item = Answer>) -> Input {
    Input::Polled {
        sent: at(sent),
        answers: answers.into_iter().collect(),
        silent: Silent::default(),
    }
}

fn asks(actions: &[Action]) -> Vec<&Action> {
    let told = |action: &&Action| !matches!(action, Action::WakeAt(_));
    actions.iter().filter(told).collect()
}

/// A master that has renewed at 0, among two others and three Sentinels.
fn held() -> Lease {
    let mut lease = Lease::new(me(), Duration::from_millis(LENGTH), at(0));
    let _ = lease.step(at(0), around(2, 3));
    let _ = lease.step(at(0), us(7, 4));
    let actions = lease.step(at(0), role(0, Role::Master));
    let expected = Action::Renew {
        state: Version(7),
        epoch: Epoch(4),
    };
    assert!(actions.contains(&expected), "{actions:?}");
    let _ = lease.step(at(5), renewed(0, 4));
    assert_eq!(held_until(&lease), Some((at(LENGTH), Way::ZooKeeper)));
    lease
}

fn held_until(lease: &Lease) -> Option<(BootTime, Way)> {
    let Standing::Held { until, by } = lease.standing() else {
        return None;
    };
    Some((until, by))
}

/// `held`, then silence until its lease is over and Redis has taken the fence.
fn run_out() -> Lease {
    let mut lease = held();
    for ms in (100..LENGTH).step_by(100) {
        let actions = lease.step(at(ms), Input::Woke);
        assert!(
            !actions.iter().any(|action| matches!(action, Action::Fence(_))),
            "{ms}"
        );
    }
    let actions = lease.step(at(LENGTH), Input::Woke);
    assert!(matches!(
        actions[0],
        Action::Fence(WhyFence::Expired { silent, agreed: 0, needed: 2 }) if silent.as_millis() == 1500
    ));
    let actions = lease.step(at(LENGTH + 1), Input::Fenced);
    assert!(actions.contains(&Action::Disconnect));
    lease
}

#[test]
fn who_follows_a_master_by_now_needs_no_fence() {
    let mut lease = held();
    let actions = lease.step(at(LENGTH), Input::Woke);
    assert!(matches!(actions[0], Action::Fence(_)));
    assert!(asks(&lease.step(at(LENGTH + 1), Input::Follows)).is_empty());
    assert_eq!(lease.standing(), Standing::Idle);
    let late = lease.step(at(LENGTH + 300), Input::Woke);
    assert!(!late.iter().any(|action| matches!(action, Action::Kill(_))));
}

#[test]
fn it_is_renewed_and_the_sentinels_are_asked_every_fifth() {
    let mut lease = held();
    let _ = lease.step(at(10), polled(1, []));
    assert!(asks(&lease.step(at(290), role(280, Role::Master))).is_empty());
    let renew = Action::Renew {
        state: Version(7),
        epoch: Epoch(4),
    };
    assert_eq!(asks(&lease.step(at(300), Input::Woke)), [&renew]);
    assert_eq!(asks(&lease.step(at(301), Input::Woke)), [&Action::AskSentinels]);
    let _ = lease.step(at(311), polled(301, [answer(0, 4), answer(1, 4)]));
    assert!(!lease.step(at(599), Input::Woke).contains(&Action::AskSentinels));
    // A renewal is missed: they are asked more often.
    assert!(lease.step(at(600), Input::Woke).contains(&Action::AskSentinels));
    let _ = lease.step(at(610), polled(600, [answer(0, 4), answer(1, 4)]));
    // Half a lease from the question is less than what ZooKeeper gave.
    assert_eq!(held_until(&lease), Some((at(1500), Way::ZooKeeper)));
    let _ = lease.step(at(910), polled(900, [answer(0, 4), answer(1, 4)]));
    assert_eq!(held_until(&lease), Some((at(1650), Way::Sentinels)));
    let unanswered = Input::NotRenewed {
        sent: at(300),
        why: NotRenewed::Unanswered,
    };
    assert!(asks(&lease.step(at(920), unanswered)).contains(&&renew));
    let _ = lease.step(at(1000), renewed(920, 4));
    assert_eq!(held_until(&lease), Some((at(920 + LENGTH), Way::ZooKeeper)));
}

#[test]
fn a_conflict_is_tried_again_with_the_version_that_was_read() {
    let mut lease = held();
    let _ = lease.step(at(300), Input::Woke);
    let _ = lease.step(at(310), us(8, 5));
    let conflict = Input::NotRenewed {
        sent: at(300),
        why: NotRenewed::Conflict,
    };
    let _ = lease.step(at(310), conflict);
    let expected = Action::Renew {
        state: Version(8),
        epoch: Epoch(5),
    };
    assert!(lease.step(at(330), Input::Woke).contains(&expected));
}

#[test]
fn when_nobody_renews_it_redis_is_fenced_and_killed_if_it_does_not_take_that() {
    let _ = run_out();
    let mut lease = held();
    let _ = lease.step(at(1000), Input::Woke);
    let _ = lease.step(at(LENGTH), Input::Woke);
    let last = LENGTH + u64::try_from(FENCE_DEADLINE.as_millis()).unwrap();
    assert!(asks(&lease.step(at(last - 1), Input::Woke)).is_empty());
    let killed = lease.step(at(last), Input::Woke);
    assert!(
        matches!(killed[..], [Action::Kill(WhyFence::Expired { .. })]),
        "{killed:?}"
    );
    assert!(lease.step(at(last + 1), renewed(last, 4)).is_empty());
}

#[test]
fn a_jump_of_the_clock_fences_before_anything_else() {
    let clean = || polled(100, [answer(0, 4), answer(1, 4), answer(2, 4)]);
    for input in [
        Input::Woke,
        renewed(100, 4),
        clean(),
        us(9, 9),
        role(100, Role::Master),
    ] {
        let mut lease = held();
        let _ = lease.step(at(90), Input::Woke);
        let actions = lease.step(at(5000), input.clone());
        let by = Duration::from_millis(4910);
        assert_eq!(
            actions[0],
            Action::Fence(WhyFence::ClockJumped { by }),
            "{input:?}"
        );
    }
}

#[test]
fn a_renewal_ends_the_fence() {
    let mut lease = run_out();
    // Its role is no news, and the renewal that was sent too long ago holds no more.
    let _ = lease.step(at(2000), role(1900, fenced()));
    let _ = lease.step(at(3000), renewed(1000, 4));
    assert!(matches!(lease.standing(), Standing::Fenced { .. }));
    // The Sentinels may have chosen another meanwhile: they are asked first, whether they answer or not.
    let _ = lease.step(at(3003), renewed(3002, 4));
    assert!(matches!(lease.standing(), Standing::Fenced { .. }));
    let _ = lease.step(at(3004), polled(3003, []));
    let actions = lease.step(at(3010), renewed(3005, 4));
    assert_eq!(actions[0], Action::Unfence(Way::ZooKeeper));
    let _ = lease.step(at(3020), Input::Unfenced);
    assert_eq!(held_until(&lease), Some((at(3005 + LENGTH), Way::ZooKeeper)));
}

#[test]
fn the_sentinels_end_it_too_while_zookeeper_is_away() {
    let mut lease = run_out();
    let actions = lease.step(at(3010), polled(3005, [answer(0, 4), answer(1, 4)]));
    assert_eq!(actions[0], Action::Unfence(Way::Sentinels));
}

#[test]
fn a_majority_that_has_chosen_another_is_heeded_before_the_record_knows() {
    let elsewhere = |number, epoch| {
        let mut answer = answer(number, epoch);
        answer.master.addr = other();
        answer
    };
    for (answers, fences) in [
        ([elsewhere(0, 5), elsewhere(1, 6)].to_vec(), true),
        ([elsewhere(0, 5), answer(1, 4)].to_vec(), false),
        // What the record has left behind.
        ([elsewhere(0, 4), elsewhere(1, 4)].to_vec(), false),
    ] {
        let mut lease = held();
        let actions = lease.step(at(100), polled(90, answers.clone()));
        let fenced = actions.contains(&Action::Fence(WhyFence::Outranked { epoch: Epoch(5) }));
        assert_eq!(fenced, fences, "{answers:?}");
        // Nor does ZooKeeper end a fence then.
        let mut lease = run_out();
        let _ = lease.step(at(3004), polled(3003, answers));
        let unfenced = lease
            .step(at(3010), renewed(3005, 4))
            .contains(&Action::Unfence(Way::ZooKeeper));
        assert_eq!(unfenced, !fences);
    }
}

#[test]
fn an_unfence_that_is_executed_late_is_undone() {
    let mut lease = run_out();
    let _ = lease.step(at(3004), polled(3003, []));
    let _ = lease.step(at(3010), renewed(3005, 4));
    let _ = lease.step(at(3210), Input::NotUnfenced);
    let actions = lease.step(at(3400), role(3300, Role::Master));
    assert!(matches!(actions[0], Action::Fence(_)), "{actions:?}");
}

#[test]
fn who_is_promoted_by_somebody_else_has_a_lease_to_be_recorded() {
    let mut lease = run_out();
    let _ = lease.step(at(4000), another(3, Phase::Settled));
    let _ = lease.step(at(4000), role(3990, Role::Master));
    assert_eq!(held_until(&lease), Some((at(4000 + LENGTH), Way::Beginning)));
    // Without a watcher nobody records it: the Sentinels' epoch is higher, and that counts.
    let _ = lease.step(at(4200), polled(4100, [answer(0, 3), answer(1, 3)]));
    assert_eq!(held_until(&lease), Some((at(4000 + LENGTH), Way::Beginning)));
    let _ = lease.step(at(5100), polled(5000, [answer(0, 4), answer(1, 4)]));
    assert_eq!(held_until(&lease), Some((at(5750), Way::Sentinels)));
}

#[test]
fn another_master_that_is_recorded_later_ends_it_at_once_unless_it_is_only_being_promoted() {
    for (epoch, phase, fences) in [
        (5, Phase::Settled, true),
        (5, Phase::Claimed, true),
        (5, Phase::Promoting, false),
        (5, Phase::Other("draining".to_owned()), false),
        (4, Phase::Settled, false),
    ] {
        let mut lease = held();
        let actions = lease.step(at(100), another(epoch, phase.clone()));
        let fenced = actions.contains(&Action::Fence(WhyFence::Outranked { epoch: Epoch(5) }));
        assert_eq!(fenced, fences, "{epoch} {phase:?}");
        let actions = lease.step(at(310), Input::Woke);
        assert!(
            !actions
                .iter()
                .any(|action| matches!(action, Action::Renew { .. })),
            "the record does not name us"
        );
    }
}

#[test]
fn who_follows_another_has_no_lease() {
    let mut lease = run_out();
    let _ = lease.step(at(2000), role(1990, Role::Replica { of: other() }));
    assert_eq!(lease.standing(), Standing::Idle);
    let actions = lease.step(at(9000), Input::Woke);
    assert_eq!(asks(&actions), [&Action::AskRole]);
}

#[test]
fn a_master_nobody_could_replace_gives_its_lease_up() {
    let mut lease = held();
    let actions = lease.step(at(100), around(0, 3));
    assert_eq!(lease.standing(), Standing::Free);
    assert!(actions.contains(&Action::Release));
    let _ = lease.step(at(110), Input::Released);
    assert!(!lease.step(at(60_000), Input::Woke).contains(&Action::Release));
    // Somebody joins: a lease from now on.
    let actions = lease.step(at(70_000), around(1, 3));
    assert_eq!(held_until(&lease), Some((at(70_000 + LENGTH), Way::Beginning)));
    assert!(
        actions
            .iter()
            .any(|action| matches!(action, Action::Renew { .. }))
    );
}

#[test]
fn sentinels_object() {
    let flags = |list: &str| Answer {
        flags: Flags::parse(list),
        ..answer(1, 4)
    };
    let votes = Answer {
        last_vote: Epoch(5),
        ..answer(1, 4)
    };
    let names_another = Answer {
        master: MasterRecord {
            addr: other(),
            epoch: Epoch(4),
        },
        ..answer(1, 4)
    };
    let counts_five = Answer {
        others: 4,
        ..answer(1, 4)
    };
    for (second, renews) in [
        (answer(1, 4), true),
        (flags("master"), true),
        (flags("master,s_down"), false),
        (flags("master,disconnected"), false),
        (flags("master,failover_in_progress"), false),
        (votes, false),
        (names_another, false),
        (counts_five, false),
    ] {
        let mut lease = held();
        let _ = lease.step(at(1000), polled(999, [answer(0, 4), second.clone()]));
        let by = held_until(&lease).map(|(_, by)| by);
        assert_eq!(by == Some(Way::Sentinels), renews, "{second:?}");
    }
}

#[test]
fn a_vote_counts_for_a_while_from_when_it_was_first_seen() {
    let voted = |number| Answer {
        last_vote: Epoch(9),
        ..answer(number, 4)
    };
    let quiet = u64::try_from(VOTE_COUNTS.as_millis()).unwrap();
    let mut lease = held();
    let _ = lease.step(at(100), polled(90, [voted(0), voted(1)]));
    for (ms, agreed) in [(90 + quiet, 0), (100 + quiet, 2)] {
        let _ = lease.step(at(ms), polled(ms, [voted(0), voted(1)]));
        assert_eq!(lease.poll.unwrap().agreed, agreed, "{ms}");
    }
}

/// Any input, at any age.
fn input() -> impl Strategy<Value = (u64, Kind)> {
    let kind = prop_oneof![
        4 => Just(Kind::Woke),
        2 => (0u64..2000).prop_map(Kind::Renewed),
        1 => Just(Kind::NotRenewed),
        2 => (0u64..1000, 0u16..4, 3u64..7, 3u64..8).prop_map(|(age, agree, epoch, vote)| {
            Kind::Polled { age, agree, epoch, vote }
        }),
        1 => (0usize..3, 0usize..4).prop_map(|(others, sentinels)| Kind::Around(others, sentinels)),
        1 => (0u8..3).prop_map(Kind::Role),
        1 => (3u64..7).prop_map(Kind::Us),
        1 => (3u64..7, 0u8..2).prop_map(|(epoch, phase)| Kind::Another(epoch, phase)),
        2 => Just(Kind::Fenced),
        1 => Just(Kind::Follows),
        1 => Just(Kind::Unfenced),
        1 => Just(Kind::NotUnfenced),
        1 => Just(Kind::Released),
    ];
    let later = prop_oneof![8 => 1u64..200, 1 => 200u64..3000];
    (later, kind)
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Woke,
    Renewed(u64),
    NotRenewed,
    Polled {
        age: u64,
        agree: u16,
        epoch: u64,
        vote: u64,
    },
    Around(usize, usize),
    Role(u8),
    Us(u64),
    Another(u64, u8),
    Fenced,
    Follows,
    Unfenced,
    NotUnfenced,
    Released,
}

impl Kind {
    fn input(self, now: u64) -> Input {
        match self {
            Kind::Woke => Input::Woke,
            Kind::Renewed(age) => renewed(now.saturating_sub(age), 4),
            Kind::NotRenewed => Input::NotRenewed {
                sent: at(now),
                why: NotRenewed::Unanswered,
            },
            Kind::Polled {
                age,
                agree,
                epoch,
                vote,
            } => {
                let answer = |number| Answer {
                    last_vote: Epoch(vote),
                    ..answer(number, epoch)
                };
                polled(now.saturating_sub(age), (0..agree).map(answer))
            }
            Kind::Around(others, sentinels) => around(others, sentinels),
            Kind::Role(0) => role(now, Role::Master),
            Kind::Role(1) => role(now, fenced()),
            Kind::Role(_) => role(now, Role::Replica { of: other() }),
            Kind::Us(epoch) => us(1, epoch),
            Kind::Another(epoch, 0) => another(epoch, Phase::Promoting),
            Kind::Another(epoch, _) => another(epoch, Phase::Settled),
            Kind::Fenced => Input::Fenced,
            Kind::Follows => Input::Follows,
            Kind::Unfenced => Input::Unfenced,
            Kind::NotUnfenced => Input::NotUnfenced,
            Kind::Released => Input::Released,
        }
    }
}

fn limit(lease: &Lease) -> Option<BootTime> {
    let (Standing::Held { until, .. } | Standing::Unfencing { until, .. }) = lease.standing() else {
        return None;
    };
    Some(until)
}

/// A round that so many Sentinels and members were silent in, and the others had no objection.
fn silent(sent: u64, sentinels: usize, members: usize) -> Input {
    let answers = (0..3).skip(sentinels).map(|number| answer(number, 4)).collect();
    Input::Polled {
        sent: at(sent),
        answers,
        silent: Silent { sentinels, members },
    }
}

#[test]
fn zookeeper_alone_does_not_renew_while_the_sentinels_may_be_promoting() {
    let renews = |sentinels, members| {
        let mut lease = held();
        let _ = lease.step(at(100), silent(90, 0, 0));
        let _ = lease.step(at(305), Input::Woke);
        let _ = lease.step(at(310), renewed(305, 4));
        let _ = lease.step(at(560), silent(310, sentinels, members));
        let after = 90 + u64::try_from(GRACE.as_millis()).unwrap();
        let actions = lease.step(at(after + 20), Input::Woke);
        let renews = actions
            .iter()
            .any(|action| matches!(action, Action::Renew { .. }));
        (renews, lease)
    };
    let (no_longer, mut lease) = renews(2, 1);
    assert!(!no_longer, "two of three sentinels and a replica are silent");
    for ms in [1_000, 1_400] {
        let _ = lease.step(at(ms), Input::Woke);
    }
    let actions = lease.step(at(305 + LENGTH), Input::Woke);
    let why = WhyFence::Isolated { silent: 2 };
    assert_eq!(actions.first(), Some(&Action::Fence(why)), "{actions:?}");
    assert!(renews(1, 1).0, "a minority promotes nobody");
    assert!(renews(3, 0).0, "nobody could be promoted but those whom we see");
}

#[test]
fn who_was_fenced_alone_is_unfenced_when_a_majority_is_heard() {
    let mut lease = held();
    let _ = lease.step(at(500), silent(300, 2, 1));
    let _ = lease.step(at(LENGTH - 400), Input::Woke);
    let _ = lease.step(at(LENGTH), Input::Woke);
    let _ = lease.step(at(LENGTH + 5), Input::Fenced);
    let fenced = |lease: &Lease| lease.standing().fenced().is_some();
    let _ = lease.step(at(LENGTH + 300), silent(LENGTH + 50, 2, 1));
    let _ = lease.step(at(LENGTH + 310), renewed(LENGTH + 305, 4));
    assert!(fenced(&lease), "zookeeper's word is not enough");
    let actions = lease.step(at(LENGTH + 400), silent(LENGTH + 390, 0, 0));
    let unfences = actions.iter().any(|action| matches!(action, Action::Unfence(_)));
    assert!(unfences, "{actions:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_write_later_than_a_lease_after_the_last_renewal_was_sent(
        history in proptest::collection::vec(input(), 1..80),
    ) {
        let mut lease = Lease::new(me(), Duration::from_millis(LENGTH), at(0));
        let (mut now, mut allowed) = (0, BootTime::default());
        let needed = |lease: &Lease| lease.others > 0 && lease.sentinels > 0;
        for (later, kind) in history {
            now += later;
            let input = kind.input(now);
            if let Input::Renewed { sent, .. } = &input {
                allowed = allowed.max(*sent + Duration::from_millis(LENGTH));
            }
            if let Input::Polled { sent, answers, .. } = &input && answers.len() >= 2 {
                allowed = allowed.max(*sent + Duration::from_millis(LENGTH / 2));
            }
            let before = limit(&lease);
            let (stray, was_standing) = (lease.stray, lease.standing());
            let actions = lease.step(at(now), input.clone());
            let after = limit(&lease);
            if let Standing::Held { by: Way::Beginning, until } = lease.standing() && before != Some(until) {
                // Only one that has just become master, or replaceable, starts without a renewal.
                let may_begin = matches!(was_standing, Standing::Idle | Standing::Free | Standing::Fenced { .. });
                prop_assert!(may_begin);
                allowed = allowed.max(at(now) + Duration::from_millis(LENGTH));
            }
            if let Some(until) = after {
                prop_assert!(until <= allowed, "{until} {allowed}");
                prop_assert!(at(now) < until || !needed(&lease), "it may write after its end");
            }
            // The fence comes first, and only where somebody could take over.
            let fences = actions.iter().position(|action| matches!(action, Action::Fence(_)));
            prop_assert!(fences.is_none_or(|first| first == 0));
            let outranked = matches!(lease.standing(), Standing::Fencing { why: WhyFence::Outranked { .. }, .. });
            prop_assert!(fences.is_none() || needed(&lease) || stray || outranked);
            // The same again asks for nothing. (What is there before it was asked for is an answer the second time.)
            if fences.is_some() && matches!(input, Input::Fenced | Input::Follows) {
                continue;
            }
            let settled = lease.clone();
            let again = lease.step(at(now), input);
            prop_assert!(asks(&again).is_empty(), "{again:?}");
            prop_assert_eq!(&lease, &settled);
        }
    }

    #[test]
    fn a_master_nobody_could_replace_is_never_fenced(
        history in proptest::collection::vec(input(), 1..60),
        alone in any::<u8>(),
    ) {
        let mut lease = Lease::new(me(), Duration::from_millis(LENGTH), at(0));
        let mut now = 0;
        for (later, kind) in history {
            now += later;
            let kind = match kind {
                Kind::Around(others, _) if alone % 2 == 0 => Kind::Around(others, 0),
                Kind::Around(_, sentinels) => Kind::Around(0, sentinels),
                Kind::Woke | Kind::Renewed(_) | Kind::NotRenewed | Kind::Polled { .. } | Kind::Role(_)
                | Kind::Us(_) | Kind::Another(..) | Kind::Fenced | Kind::Follows | Kind::Unfenced | Kind::NotUnfenced
                | Kind::Released => kind,
            };
            // Nobody else fences it either.
            if matches!(kind, Kind::Role(1)) {
                continue;
            }
            let actions = lease.step(at(now), kind.input(now));
            let harms = |action: &Action| matches!(action, Action::Fence(_) | Action::Kill(_));
            prop_assert!(!actions.iter().any(harms), "{actions:?}");
        }
    }
}
