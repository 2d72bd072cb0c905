//! The table of the lifecycle, and what must hold on every way through it.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const GRACE: Grace = Grace {
    whole: Duration::from_secs(10),
    gentle: Duration::from_secs(4),
};
const PLAIN: Grace = Grace {
    whole: Duration::from_secs(10),
    gentle: Duration::ZERO,
};
const EXIT: ChildExit = ChildExit::Code(7);

#[test]
#[rustfmt::skip]
fn every_state_answers_every_event() {
    let now = Instant::now();
    let (until, deadline) = (now + 4 * SECOND, now + 10 * SECOND);
    let running = State::Running;
    let yielding = State::Yielding { until, deadline };
    let stopping = State::Stopping { deadline };
    let ended = State::Ended(EXIT);
    let terminate = || vec![Action::Terminate, Action::WakeAt(deadline)];

    let table = [
        (running, Event::StopAsked, now, PLAIN, stopping, terminate()),
        (running, Event::StopAsked, now, GRACE, yielding, vec![Action::BeGentle, Action::WakeAt(until)]),
        (running, Event::DeadlineReached, now, PLAIN, running, vec![]),
        (running, Event::GentleEnded, now, GRACE, running, vec![]),
        (running, Event::ChildExited(EXIT), now, PLAIN, ended, vec![]),
        (yielding, Event::StopAsked, now + SECOND, GRACE, yielding, vec![]),
        (yielding, Event::GentleEnded, now + SECOND, GRACE, stopping, terminate()),
        (yielding, Event::DeadlineReached, now + SECOND, GRACE, yielding, vec![Action::WakeAt(until)]),
        (yielding, Event::DeadlineReached, until, GRACE, stopping, terminate()),
        (yielding, Event::ChildExited(EXIT), now, GRACE, ended, vec![]),
        (stopping, Event::StopAsked, now + SECOND, PLAIN, stopping, vec![]),
        (stopping, Event::GentleEnded, now + SECOND, GRACE, stopping, vec![]),
        (stopping, Event::DeadlineReached, now + SECOND, PLAIN, stopping, vec![Action::WakeAt(deadline)]),
        (stopping, Event::DeadlineReached, deadline, PLAIN, State::Killing, vec![Action::Kill]),
        (stopping, Event::ChildExited(EXIT), now, PLAIN, ended, vec![]),
        (State::Killing, Event::StopAsked, deadline, PLAIN, State::Killing, vec![]),
        (State::Killing, Event::GentleEnded, deadline, PLAIN, State::Killing, vec![]),
        (State::Killing, Event::DeadlineReached, deadline, PLAIN, State::Killing, vec![]),
        (State::Killing, Event::ChildExited(EXIT), deadline, PLAIN, ended, vec![]),
        (ended, Event::StopAsked, now, PLAIN, ended, vec![]),
        (ended, Event::GentleEnded, now, PLAIN, ended, vec![]),
        (ended, Event::DeadlineReached, deadline, PLAIN, ended, vec![]),
        (ended, Event::ChildExited(ChildExit::Signal(9)), now, PLAIN, ended, vec![]),
    ];
    for (state, event, at, grace, new, actions) in table {
        assert_eq!(state.step(event, at, grace), Step { state: new, actions }, "{state:?} {event:?}");
    }
}

#[test]
fn a_gentle_part_longer_than_the_whole_is_cut() {
    let now = Instant::now();
    let grace = Grace {
        whole: SECOND,
        gentle: 5 * SECOND,
    };
    let step = State::Running.step(Event::StopAsked, now, grace);
    assert_eq!(
        step.state,
        State::Yielding {
            until: now + SECOND,
            deadline: now + SECOND
        }
    );
}

fn events() -> impl Strategy<Value = Vec<(Event, u64)>> {
    let event = prop_oneof![
        4 => Just(Event::StopAsked),
        2 => Just(Event::GentleEnded),
        4 => Just(Event::DeadlineReached),
        1 => Just(Event::ChildExited(EXIT)),
    ];
    prop::collection::vec((event, 0..4000_u64), 0..40)
}

fn graces() -> impl Strategy<Value = Grace> {
    (0..12_000_u64, 0..12_000_u64).prop_map(|(whole, gentle)| Grace {
        whole: Duration::from_millis(whole),
        gentle: Duration::from_millis(gentle),
    })
}

proptest! {
    #[test]
    fn asking_twice_changes_nothing(events in events(), grace in graces()) {
        let mut now = Instant::now();
        let mut state = State::Running;
        for (event, later) in events {
            now += Duration::from_millis(later);
            let step = state.step(event, now, grace);
            if event == Event::StopAsked {
                let again = step.state.step(Event::StopAsked, now + SECOND, grace);
                prop_assert_eq!(again, Step { state: step.state, actions: vec![] });
            }
            state = step.state;
        }
    }

    #[test]
    fn told_once_killed_once_and_never_before_the_deadline(events in events(), grace in graces()) {
        let mut now = Instant::now();
        let (mut state, mut asked) = (State::Running, None);
        let (mut told, mut killed) = (0, 0);
        for (event, later) in events {
            now += Duration::from_millis(later);
            if event == Event::StopAsked && state == State::Running {
                asked = Some(now);
            }
            let step = state.step(event, now, grace);
            for action in &step.actions {
                match action {
                    Action::Terminate => told += 1,
                    Action::Kill => {
                        killed += 1;
                        prop_assert!(now >= asked.unwrap() + grace.whole);
                        prop_assert_eq!(told, 1);
                    }
                    Action::BeGentle | Action::WakeAt(_) => {}
                }
            }
            // Whoever waits for a time has asked to be woken at it, or still will be.
            if matches!(step.state, State::Stopping { .. }) && state != step.state {
                prop_assert!(step.actions.iter().any(|action| matches!(action, Action::WakeAt(_))));
            }
            state = step.state;
        }
        prop_assert!(told <= 1 && killed <= 1);
        prop_assert!(asked.is_some() || told == 0);
    }

    #[test]
    fn every_stop_ends(events in events(), grace in graces()) {
        let mut now = Instant::now();
        let mut state = State::Running.step(Event::StopAsked, now, grace).state;
        for (event, later) in events {
            now += Duration::from_millis(later);
            state = state.step(event, now, grace).state;
        }
        // Whatever happened before: two rings of the timer later the child is at least being killed.
        for _ in 0..2 {
            now += grace.whole;
            state = state.step(Event::DeadlineReached, now, grace).state;
        }
        prop_assert!(matches!(state, State::Killing | State::Ended(_)), "{:?}", state);
    }
}
