//! What must hold in every run, and that the checker sees it where it does not.

use std::time::Instant;

use crate::actions::Action;
use crate::explore::{Tally, every_order, play, walk};
use crate::rules::{Broken, Rules};
use crate::world::World;

const STEPS: usize = 150;

fn number(name: &str, otherwise: u64) -> u64 {
    let asked = std::env::var_os(name).and_then(|text| text.to_str()?.parse().ok());
    asked.unwrap_or(otherwise)
}

fn holds(rules: Rules, runs: u64) {
    let first = number("MODEL_SEED", 1);
    let (began, mut tally) = (Instant::now(), Tally::default());
    for seed in first..first + number("MODEL_RUNS", runs) {
        if let Err(failure) = walk(rules, seed, STEPS, &mut tally) {
            let run: Vec<String> = failure.run.iter().map(|action| format!("  {action:?}")).collect();
            panic!("seed {seed}: {}\n{}", failure.what, run.join("\n"));
        }
    }
    println!("{tally:?} in {:?}", began.elapsed());
}

/// The checker must find this kind of mistake, and say what came of it.
fn catches(broken: Broken, rules: Rules, word: &str) {
    catches_from(1, broken, rules, word);
}

/// From this seed on: what is rare need not be looked for each time.
fn catches_from(first: u64, broken: Broken, rules: Rules, word: &str) {
    for seed in first..first + 20_000 {
        if let Err(failure) = walk(rules.broken(broken), seed, STEPS, &mut Tally::default()) {
            println!("seed {seed}: {}\n{:?}", failure.what, failure.run);
            assert!(failure.what.contains(word), "{}", failure.what);
            return;
        }
    }
    panic!("{broken:?} was not caught");
}

#[test]
fn whatever_fails_writes_have_one_home_and_the_group_recovers() {
    holds(Rules::all(3), 2500);
}

#[test]
fn so_it_is_when_everything_fails_at_once() {
    // It may take a person then, and must be safe all the same.
    let rules = Rules {
        recovers: false,
        ..Rules::all(7)
    };
    holds(rules, 1000);
}

#[test]
fn a_handover_or_a_crash_is_safe_without_sentinels_of_their_own_will() {
    let rules = Rules {
        cuts: false,
        sentinels: false,
        ..Rules::all(3)
    };
    holds(rules, 1500);
}

#[test]
fn quorum_durability_keeps_what_was_confirmed() {
    holds(Rules::all(3).quorum(), 1000);
}

#[test]
fn the_first_steps_in_every_order() {
    let rules = Rules {
        horizon: 4,
        ..Rules::all(2)
    };
    let states = usize::try_from(number("MODEL_STATES", 4_000)).unwrap();
    for first in [
        Action::DieWithWrapper(0),
        Action::Die(0),
        Action::HandOver(0),
        Action::CutOff(0),
    ] {
        let (began, mut tally) = (Instant::now(), Tally::default());
        let all = every_order(rules, &[first], states, &mut tally);
        if let Err(failure) = &all {
            panic!("after {first:?}: {}\n{:?}", failure.what, failure.run);
        }
        println!("{first:?}: {tally:?} in {:?}", began.elapsed());
    }
}

#[test]
fn the_checker_catches_a_promotion_without_votes() {
    catches(Broken::SkipsTheVote, Rules::all(3), "without a majority");
}

#[test]
fn the_checker_catches_a_lease_that_nobody_waits_for() {
    catches(Broken::IgnoresTheLease, Rules::all(3), "which takes writes");
}

#[test]
fn the_checker_catches_votes_that_count_before_the_last_is_given() {
    let rules = Rules {
        recovers: false,
        ..Rules::all(6)
    };
    catches_from(14900, Broken::CountsFromTheFirstVote, rules, "which takes writes");
}

#[test]
fn the_checker_catches_writes_that_do_not_depend_on_what_was_read() {
    catches(Broken::WritesBlindly, Rules::all(3), "");
}

#[test]
fn the_checker_catches_a_handover_that_outlives_its_pause() {
    catches(Broken::ForgetsThePause, Rules::all(3), "gives the role away");
}

#[test]
fn the_checker_catches_a_move_that_nobody_finishes() {
    let rules = Rules {
        sentinels: false,
        ..Rules::all(3)
    };
    catches(Broken::LeavesItUnfinished, rules, "no rest");
}

#[test]
fn the_checker_catches_a_later_master_that_is_made_a_replica() {
    catches(Broken::RepointsBlindly, Rules::all(3), "the later master");
}

#[test]
fn the_checker_catches_a_second_promotion_beside_a_later_master() {
    catches(Broken::PromotesAgain, Rules::all(3), "promoted again");
}

#[test]
fn the_checker_catches_a_candidate_that_restarted_before_it_was_promoted() {
    // Rare, so it is made to happen at every step of a handover.
    let lost = |rules: Rules| {
        let act = Action::Act { host: 0, way: 0 };
        let runs = (0..20).flat_map(|steps| [(steps, 1), (steps, 2)]);
        let mut ends = runs.map(|(steps, candidate)| {
            let mut run = vec![Action::HandOver(0)];
            run.extend(std::iter::repeat_n(act, steps));
            run.extend([Action::Die(candidate), Action::ReturnEmpty(candidate)]);
            play(&World::new(rules), &run)
        });
        ends.find_map(|end| end.filter(|what| what.contains("lost a write")))
    };
    assert_eq!(lost(Rules::all(3)), None);
    let what = lost(Rules::all(3).broken(Broken::PromotesAnyProcess));
    println!("{}", what.expect("it is caught"));
}
