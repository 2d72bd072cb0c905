//! Which of the user's lines are kept, which are dropped, and what is said of them.

use std::io;

use super::*;

fn shelf(path: &Path) -> io::Result<Vec<u8>> {
    match path.to_str().unwrap() {
        "/etc/redis/more.conf" => Ok(b"loglevel debug\ninclude deeper/last.conf\n".to_vec()),
        "/etc/redis/deeper/last.conf" => Ok(b"maxclients 7".to_vec()),
        "/etc/redis/circle.conf" => Ok(b"\ninclude round.conf".to_vec()),
        "/etc/redis/round.conf" => Ok(b"include circle.conf".to_vec()),
        "/etc/redis/latin.conf" => Ok(b"# f\xfcr alle\nport 1\nrequirepass f\xfcr\n".to_vec()),
        path if path.starts_with("/etc/redis/deep") => {
            let below = path.len();
            Ok(format!("include /etc/redis/deep{below}{}", "x".repeat(below)).into_bytes())
        }
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

fn parse(text: &str) -> Result<Template, TemplateError> {
    Template::parse("/etc/redis/sentinel.conf", Path::new("/etc/redis"), text, &shelf)
}

#[test]
fn includes_are_copied_in_where_they_stand() {
    let template = parse("# mine\ninclude more.conf\nport 1").unwrap();
    let seen: Vec<(&str, usize, &str)> = template
        .lines()
        .iter()
        .map(|l| (&*l.file, l.number, l.text.as_str()))
        .collect();
    assert_eq!(
        seen,
        [
            ("/etc/redis/sentinel.conf", 1, "# mine"),
            ("/etc/redis/more.conf", 1, "loglevel debug"),
            ("/etc/redis/deeper/last.conf", 1, "maxclients 7"),
            ("/etc/redis/sentinel.conf", 3, "port 1"),
        ]
    );
}

#[test]
fn what_cannot_be_included_is_named() {
    let error = |text: &str| parse(text).unwrap_err().to_string();
    assert!(error("\ninclude a b").starts_with("/etc/redis/sentinel.conf, line 2: name one file"));
    assert!(error("include gone.conf").contains("cannot read the template /etc/redis/gone.conf"));
    assert_eq!(
        error("include circle.conf"),
        "/etc/redis/round.conf, line 1: /etc/redis/circle.conf includes itself"
    );
    assert!(error("include deeper").contains("more than 8 includes"));
    assert_eq!(
        error("include latin.conf"),
        "/etc/redis/latin.conf, line 3: not UTF-8; write it anew in UTF-8"
    );
}

#[test]
fn patterns_are_followed_in_order_and_to_the_end() {
    let dir = tempfile::TempDir::new().unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(dir.path().join(name), text).unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    write(
        "mine.conf",
        b"# caf\xe9\ninclude conf.d/*.conf\ninclude conf.d/*.none\nmaxclients 3\n",
    );
    write("conf.d/20.conf", b"maxclients 2\n");
    write("conf.d/10.conf", b"maxclients 1\ninclude ../more.conf\n");
    write("more.conf", b"maxclients 9\n");
    let read = || Template::read(Some(&dir.path().join("mine.conf")), &[]);
    let template = read().unwrap();
    let seen: Vec<&str> = template.lines().iter().map(|line| line.text.as_str()).collect();
    assert_eq!(
        seen,
        [
            "# caf\u{fffd}",
            "maxclients 1",
            "maxclients 9",
            "maxclients 2",
            "include conf.d/*.none",
            "maxclients 3"
        ]
    );
    // A pattern that meets its own file, by another way, is a circle too.
    write("more.conf", b"include conf.d/../conf.d/1*.conf\n");
    let error = read().unwrap_err().to_string();
    assert!(error.contains("includes itself"), "{error}");
    write("more.conf", b"include conf.d\n");
    let error = program::chain(&read().unwrap_err());
    assert!(error.contains("it is not a file"), "{error}");
}

#[test]
fn the_built_in_template_monitors_nobody() {
    let template = Template::read(None, &[]).unwrap();
    let settings = template.lines().iter().filter_map(|line| line.setting.as_ref());
    assert!(settings.clone().count() > 0);
    assert!(
        settings
            .clone()
            .all(|setting| setting.values.first().is_none_or(|word| word != "monitor"))
    );
}

#[test]
fn arguments_are_lines_behind_the_template() {
    let read = |args: &[&str]| Template::read(None, &args.iter().map(OsString::from).collect::<Vec<_>>());
    let built_in = read(&[]).unwrap().lines().len();
    let template = read(&[
        "--maxclients",
        "7",
        "--daemonize yes",
        "--sentinel auth-pass x \"a b\"",
    ]);
    let template = template.unwrap();
    let seen: Vec<(&str, usize, &str)> = template.lines()[built_in..]
        .iter()
        .map(|line| {
            (
                &*line.file,
                line.number,
                line.setting.as_ref().unwrap().name.as_str(),
            )
        })
        .collect();
    let file = "arguments after --";
    assert_eq!(
        seen,
        [
            (file, 1, "maxclients"),
            (file, 2, "daemonize"),
            (file, 3, "sentinel")
        ]
    );
    let error = |args: &[&str]| read(args).unwrap_err().to_string();
    assert!(error(&["7"]).starts_with("argument 1 after -- belongs to no setting"));
    assert!(error(&["--include", "gone.conf"]).contains("gone.conf"));
}
