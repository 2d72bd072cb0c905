//! Walks through the world: at random by a seed, and in every order up to a number of states. What fails is made short and printed
//! as a list that can be played again.

use std::collections::HashSet;
use std::collections::VecDeque;

use crate::actions::Action;
use crate::fingerprint::fingerprint;
use crate::rules::Rules;
use crate::world::World;

/// What went wrong, and the shortest way there that was found.
#[derive(Debug)]
pub struct Failure {
    pub what: String,
    pub run: Vec<Action>,
}

/// Numbers that follow from a seed (splitmix64).
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let z = z ^ (z >> 31);
        usize::try_from(z % u64::try_from(n).unwrap()).unwrap()
    }
}

/// The states that were reached, and what came of it.
#[derive(Debug, Default)]
pub struct Tally {
    pub states: usize,
    pub moves: usize,
}

/// One run of so many steps. The world is looked at after each, and comes to rest at the end.
pub fn walk(rules: Rules, seed: u64, steps: usize, tally: &mut Tally) -> Result<(), Failure> {
    let mut chance = Chance::new(seed);
    let mut world = World::new(rules);
    // A node that is never to be master, in some runs.
    let vetoed = chance.below(8);
    if let Some(node) = world.nodes.get_mut(vetoed).filter(|_| vetoed > 0) {
        node.priority = 0;
    }
    let start = world.clone();
    let mut run = Vec::new();
    for _ in 0..steps {
        let action = pick(&world, &mut chance);
        run.push(action);
        world.happen(action);
        tally.states += 1;
        if world.broken().is_some() {
            return Err(shorten(&start, run));
        }
    }
    tally.moves += usize::from(world.ghost.moves);
    if let Err((_, _)) = world.come_to_rest() {
        return Err(shorten(&start, run));
    }
    Ok(())
}

/// Movers and time go on most of the time; faults come now and then.
fn pick(world: &World, chance: &mut Chance) -> Action {
    let (next, faults) = (world.next(), world.next_faults());
    let healed = (0..crate::names::HOSTS).find(|n| !world.is_healed(*n));
    let movers: Vec<Action> = next
        .iter()
        .copied()
        .filter(|action| matches!(action, Action::Act { .. }))
        .collect();
    let draw = chance.below(100);
    if draw < 8 && !faults.is_empty() {
        return faults[chance.below(faults.len())];
    }
    if draw < 11
        && let Some(n) = healed
    {
        return Action::Heal(n);
    }
    if draw < 25 && next.contains(&Action::Tick) {
        return Action::Tick;
    }
    if draw < 60 && !movers.is_empty() {
        return movers[chance.below(movers.len())];
    }
    if next.is_empty() {
        Action::Heal(0)
    } else {
        next[chance.below(next.len())]
    }
}

/// What comes of a run: what is broken on the way, or at rest.
pub fn play(start: &World, run: &[Action]) -> Option<String> {
    let mut world = start.clone();
    for action in run {
        let heals = matches!(action, Action::Heal(_));
        if !heals && !world.next().contains(action) && !world.next_faults().contains(action) {
            continue;
        }
        world.happen(*action);
        if let Some(broken) = world.broken() {
            return Some(broken);
        }
    }
    world
        .come_to_rest()
        .err()
        .map(|(what, done)| format!("{what}; at rest after {done:?}"))
}

/// Leaves out whatever is not needed: long stretches first.
pub fn shorten(start: &World, mut run: Vec<Action>) -> Failure {
    let mut what = play(start, &run).unwrap_or_else(|| "not seen again".to_owned());
    let mut stretch = run.len().max(1);
    while stretch > 0 {
        let mut at = 0;
        while at < run.len() {
            let mut shorter = run.clone();
            shorter.drain(at..(at + stretch).min(run.len()));
            match play(start, &shorter) {
                Some(still) => (what, run) = (still, shorter),
                None => at += stretch,
            }
        }
        stretch /= 2;
    }
    Failure { what, run }
}

/// Of so many states one is let come to rest, which takes long.
const RESTS: usize = 40;

/// Every order of everything, breadth first, until so many states are known. True: those were all.
pub fn every_order(
    rules: Rules,
    first: &[Action],
    states: usize,
    tally: &mut Tally,
) -> Result<bool, Failure> {
    let mut start = World::new(rules);
    for action in first {
        start.happen(*action);
    }
    let mut known = HashSet::from([fingerprint(&start)]);
    let mut open = VecDeque::from([(start.clone(), Vec::new())]);
    while let Some((world, run)) = open.pop_front() {
        let steps = world.next().into_iter().chain(world.next_faults());
        for action in steps {
            let mut after = world.clone();
            after.happen(action);
            if !known.insert(fingerprint(&after)) {
                continue;
            }
            let mut run: Vec<Action> = run.clone();
            run.push(action);
            tally.states += 1;
            let rests = tally.states.is_multiple_of(RESTS);
            if after.broken().is_some() || rests && after.clone().come_to_rest().is_err() {
                return Err(shorten(&start, run));
            }
            if known.len() >= states {
                return Ok(false);
            }
            open.push_back((after, run));
        }
    }
    Ok(true)
}
