//! Which directory is a Redis' home, when several wrappers may share DATA_DIR. Pure.
//!
//! DATA_DIR itself is for whoever comes first, whatever its port: a volume moves with its instance, and a scheduler gives
//! that another port each time. Only where another wrapper lives there, and goes on living there, does a port get a directory
//! of its own below, and from then on it is that port's, and no other's, at every start. A Redis that is ending is waited
//! for: beside its data the next one would start empty, and nobody would look at the data again.

/// What is known at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Our port.
    pub port: u16,
    /// Whether an earlier start has made `redis-<port>` the home of this port.
    pub has_own: bool,
    /// Whether another port has such a home: DATA_DIR is shared for good.
    pub shared: bool,
    /// DATA_DIR itself.
    pub root: Root,
    /// Whether there is time to wait.
    pub patience: Patience,
}

/// DATA_DIR itself, and the port that used it last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// Nobody uses it.
    Free(Option<u16>),
    /// Its wrapper is gone, but not all of its processes are.
    Leftover(Option<u16>),
    /// A wrapper uses it.
    Lived(u16),
}

/// Whether waiting may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Whoever is ending has not had its time.
    Left,
    /// It has.
    Over,
}

/// Where to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Home {
    /// DATA_DIR itself.
    Root,
    /// `redis-<port>`.
    Own,
    /// Look again.
    Wait,
    /// Nowhere: an error.
    Refuse,
}

/// Where the data set of this port is.
pub fn home(seen: Seen) -> Home {
    if seen.has_own {
        return Home::Own;
    }
    match (seen.root, seen.patience) {
        (Root::Free(Some(last)), _) if last != seen.port && seen.shared => Home::Own,
        (Root::Free(_), _) => Home::Root,
        (Root::Leftover(_) | Root::Lived(_), Patience::Left) => Home::Wait,
        (Root::Lived(other), Patience::Over) if other != seen.port => Home::Own,
        (Root::Leftover(_) | Root::Lived(_), Patience::Over) => Home::Refuse,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const US: Seen = Seen {
        port: 1,
        has_own: false,
        shared: false,
        root: Root::Free(None),
        patience: Patience::Left,
    };

    fn at(root: Root, patience: Patience) -> Seen {
        Seen { root, patience, ..US }
    }

    fn shared(root: Root) -> Seen {
        let shared = true;
        Seen { shared, root, ..US }
    }

    #[test]
    fn a_home_is_where_the_data_is() {
        use Patience::{Left, Over};
        use Root::{Free, Leftover, Lived};
        let moved = Seen { has_own: true, ..US };
        let table = [
            ("a new directory", US, Home::Root),
            ("our own again", at(Free(Some(1)), Left), Home::Root),
            (
                "a volume that moved to another port",
                at(Free(Some(2)), Left),
                Home::Root,
            ),
            (
                "shared, and the other one is down",
                shared(Free(Some(2))),
                Home::Own,
            ),
            ("shared, and ours", shared(Free(Some(1))), Home::Root),
            ("our predecessor is ending", at(Lived(1), Left), Home::Wait),
            ("its fork is", at(Leftover(Some(1)), Left), Home::Wait),
            (
                "a fork on the volume that moved",
                at(Leftover(Some(2)), Left),
                Home::Wait,
            ),
            ("another may be ending", at(Lived(2), Left), Home::Wait),
            ("another stays", at(Lived(2), Over), Home::Own),
            ("a second one of our port", at(Lived(1), Over), Home::Refuse),
            (
                "a fork that does not end",
                at(Leftover(Some(2)), Over),
                Home::Refuse,
            ),
            ("somebody unknown", at(Leftover(None), Over), Home::Refuse),
            ("once moved", moved, Home::Own),
        ];
        for (name, seen, expected) in table {
            assert_eq!(home(seen), expected, "{name}");
        }
    }

    fn any_seen() -> impl Strategy<Value = Seen> {
        let port = || 1..3_u16;
        let root = prop_oneof![
            prop::option::of(port()).prop_map(Root::Free),
            prop::option::of(port()).prop_map(Root::Leftover),
            port().prop_map(Root::Lived),
        ];
        let patience = prop_oneof![Just(Patience::Left), Just(Patience::Over)];
        (port(), any::<bool>(), any::<bool>(), root, patience).prop_map(
            |(port, has_own, shared, root, patience)| Seen {
                port,
                has_own,
                shared,
                root,
                patience,
            },
        )
    }

    proptest! {
        #[test]
        fn never_a_new_home_beside_our_own_data_nor_beside_one_that_is_ending(seen in any_seen()) {
            let last = match seen.root {
                Root::Free(last) | Root::Leftover(last) => last,
                Root::Lived(port) => Some(port),
            };
            if home(seen) == Home::Own && !seen.has_own {
                prop_assert_ne!(last, Some(seen.port));
                prop_assert!(!matches!(seen.root, Root::Leftover(_)));
                prop_assert!(seen.shared || seen.patience == Patience::Over);
            }
            if home(seen) == Home::Root {
                prop_assert!(matches!(seen.root, Root::Free(_)));
            }
            let late = Seen { patience: Patience::Over, ..seen };
            prop_assert_ne!(home(late), Home::Wait);
        }
    }
}
