//! Real files, since names, orders and directories are what this is about.

use super::*;

fn tree(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

fn template(dir: &tempfile::TempDir, text: &str) -> Result<Template, TemplateError> {
    let mut reading = Reading::new(dir.path());
    reading.text(text, &Origin::Template)?;
    Ok(reading.end())
}

#[test]
fn what_is_included_counts_where_it_is_included() {
    let dir = tree(&[
        ("a.conf", b"requirepass one\ninclude deep/b.conf\n"),
        (
            "deep/b.conf",
            b"requirepass two\nport 1\nprotected-mode yes\naclfile users.acl\n",
        ),
    ]);
    let read = template(&dir, "requirepass zero\ninclude a.conf\n").unwrap();
    assert_eq!(read.value("requirepass"), Some("two"));
    assert_eq!(read.value("protected-mode"), Some("yes"));
    assert!(read.defines_user("default"), "its users may be in the aclfile");
    let warnings = read.overridden();
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].contains("deep/b.conf line 2: `port`"), "{warnings:?}");
    assert!(
        warnings[1].contains("deep/b.conf line 3: `protected-mode`"),
        "{warnings:?}"
    );
    let read = template(&dir, "include a.conf\nrequirepass last\n").unwrap();
    assert_eq!(read.value("requirepass"), Some("last"));
}

#[test]
fn patterns_are_read_in_order_and_may_match_nothing() {
    let dir = tree(&[
        ("conf.d/2.conf", b"requirepass two\n"),
        ("conf.d/1.conf", b"requirepass one\n"),
        ("conf.d/3.txt", b"requirepass three\n"),
    ]);
    let read = template(&dir, "include conf.d/*.conf\n").unwrap();
    assert_eq!(read.value("requirepass"), Some("two"));
    assert_eq!(
        template(&dir, "include none.d/*\n").unwrap().value("requirepass"),
        None
    );
}

#[test]
fn a_dir_line_moves_the_names_behind_it() {
    let dir = tree(&[
        ("data/sub/x.conf", b"dir sub\nrequirepass s\n"),
        ("data/sub/sub/y.conf", b""),
    ]);
    let read = template(&dir, "dir data\ndir ./sub\ninclude x.conf\n").unwrap();
    assert_eq!(read.value("requirepass"), Some("s"));
    let named = read.directory().unwrap();
    assert_eq!(
        named.path,
        dir.path().canonicalize().unwrap().join("data/sub/sub")
    );
    assert!(named.from.contains("x.conf line 1"), "{}", named.from);
}

#[test]
fn text_that_is_not_utf8_is_read() {
    let dir = tree(&[("latin1.conf", b"# caf\xe9\nrequirepass s\n")]);
    let read = template(&dir, "include latin1.conf\n").unwrap();
    assert_eq!(read.value("requirepass"), Some("s"));
}

#[test]
fn what_redis_would_die_of_is_refused_and_named() {
    let dir = tree(&[
        ("self.conf", b"include self.conf\n"),
        ("many/1.conf", b"include many/*\n"),
        ("many/2.conf", b"include many/*\n"),
        ("quotes.conf", b"\nrequirepass \"open\n"),
        ("file", b""),
    ]);
    let table = [
        ("include self.conf\n", "self.conf line 1: includes are"),
        ("include many/*\n", "include itself"),
        ("port 1\ninclude none.conf\n", "REDIS_CONF line 2 cannot be used"),
        ("include many\n", "not a regular file"),
        (
            "include quotes.conf\n",
            "quotes.conf cannot be used: line 2: unbalanced quotes",
        ),
        ("dir none\n", "REDIS_CONF line 1: the directory"),
        ("dir file\n", "cannot be entered"),
    ];
    for (text, part) in table {
        let refused = template(&dir, text).unwrap_err();
        let said = program::chain(&refused);
        assert!(said.contains(part), "{text}: {said}");
    }
}

#[test]
fn how_many_replicas_a_write_needs_may_be_said_anywhere() {
    let dir = tree(&[("own.conf", b"min-slaves-to-write 1\n")]);
    assert!(template(&dir, "include own.conf\n").unwrap().sets_min_replicas());
    let mut reading = Reading::new(dir.path());
    let lines = crate::arguments::as_lines(&["--min-replicas-to-write 0".to_owned()]).unwrap();
    reading.text(&lines, &Origin::Arguments).unwrap();
    assert!(reading.end().sets_min_replicas());
}
