//! What is on the disk after each step, and after a crash between any two.

use super::*;

struct Dir(tempfile::TempDir);

impl Dir {
    fn new(old: Option<&str>) -> (Self, Place) {
        let dir = Self(tempfile::tempdir().unwrap());
        fs::write(dir.path("template"), "").unwrap();
        if let Some(old) = old {
            fs::write(dir.path("out"), old).unwrap();
        }
        let place = Place::new(dir.path("out"));
        (dir, place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn out(&self) -> Option<String> {
        fs::read_to_string(self.path("out")).ok()
    }

    /// All that lies there.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn stage(&self, place: &Place, text: &str) -> Staged {
        place.stage(text, &self.path("template")).unwrap()
    }

    fn install(&self, place: &Place, text: &str) {
        match self.stage(place, text) {
            Staged::New(new) => new.install(Keep::UntilReloaded).unwrap(),
            other @ (Staged::Same | Staged::NotReloaded) => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_the_same_is_left_alone() {
    let (dir, place) = Dir::new(Some("one"));
    assert!(matches!(dir.stage(&place, "one"), Staged::Same));
    assert_eq!(dir.names(), ["out", "template"]);
}

#[test]
fn a_new_file_that_is_not_wanted_leaves_nothing() {
    let (dir, place) = Dir::new(Some("one"));
    let staged = dir.stage(&place, "two");
    assert_eq!(dir.names(), [".out.new", "out", "template"]);
    drop(staged);
    assert_eq!(dir.names(), ["out", "template"]);
    assert_eq!(dir.out().as_deref(), Some("one"));
}

#[test]
fn a_reload_is_due_until_it_was_made() {
    let (dir, place) = Dir::new(Some("one"));
    dir.install(&place, "two");
    assert_eq!(dir.out().as_deref(), Some("two"));
    // Whoever starts after a crash sees it.
    assert!(matches!(
        dir.stage(&Place::new(dir.path("out")), "two"),
        Staged::NotReloaded
    ));
    // And a third file does not make the second one what is put back: HAProxy never read that.
    dir.install(&place, "three");
    assert_eq!(place.put_back(), Ok(Back::Old));
    assert_eq!(dir.out().as_deref(), Some("one"));
    assert!(matches!(dir.stage(&place, "one"), Staged::NotReloaded));
    assert_eq!(place.put_back(), Ok(Back::Old));
    place.reloaded().unwrap();
    assert!(matches!(dir.stage(&place, "one"), Staged::Same));
    assert_eq!(dir.names(), ["out", "template"]);
}

#[test]
fn a_first_file_is_removed_when_it_is_no_good() {
    let (dir, place) = Dir::new(None);
    dir.install(&place, "one");
    assert_eq!(place.put_back(), Ok(Back::Nothing));
    assert_eq!(dir.names(), ["template"]);
    dir.install(&place, "one");
    place.reloaded().unwrap();
    assert_eq!(dir.names(), ["out", "template"]);
}

#[test]
fn mode_and_links_are_kept() {
    let (dir, place) = Dir::new(Some("one"));
    let mode = |name: &str| fs::metadata(dir.path(name)).unwrap().mode() & 0o777;
    fs::set_permissions(dir.path("out"), Permissions::from_mode(0o640)).unwrap();
    dir.install(&place, "two");
    assert_eq!(mode("out"), 0o640);
    let linked = Place::new(dir.path("link"));
    std::os::unix::fs::symlink("out", dir.path("link")).unwrap();
    dir.install(&linked, "three");
    assert!(fs::symlink_metadata(dir.path("link")).unwrap().is_symlink());
    assert_eq!(dir.out().as_deref(), Some("three"));
    fs::set_permissions(dir.path("template"), Permissions::from_mode(0o604)).unwrap();
    dir.install(&Place::new(dir.path("first")), "one");
    assert_eq!(mode("first"), 0o604);
}

#[test]
fn without_a_reload_nothing_is_kept() {
    let (dir, place) = Dir::new(Some("one"));
    match dir.stage(&place, "two") {
        Staged::New(new) => new.install(Keep::Nothing).unwrap(),
        other @ (Staged::Same | Staged::NotReloaded) => panic!("{other:?}"),
    }
    assert_eq!(dir.names(), ["out", "template"]);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let (dir, _) = Dir::new(None);
    let place = Place::new(dir.path("no/such/dir"));
    let error = place.stage("x", &dir.path("template")).unwrap_err();
    assert!(error.contains("no/such/.dir.new"), "{error}");
}
