//! Which of the user's lines are kept, which are dropped, and what is said of them.

use std::io;

use super::*;

fn shelf(path: &Path) -> io::Result<String> {
    match path.to_str().unwrap() {
        "/etc/redis/more.conf" => Ok("loglevel debug\ninclude deeper/last.conf\n".to_owned()),
        "/etc/redis/deeper/last.conf" => Ok("maxclients 7".to_owned()),
        "/etc/redis/circle.conf" => Ok("include circle.conf".to_owned()),
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
    assert!(error("\ninclude *.conf").starts_with("/etc/redis/sentinel.conf, line 2: name one file"));
    assert!(error("include gone.conf").contains("cannot read the template /etc/redis/gone.conf"));
    assert!(error("include circle.conf").contains("circle"));
}

#[test]
fn the_built_in_template_monitors_nobody() {
    let template = Template::read(None).unwrap();
    let settings = template.lines().iter().filter_map(|line| line.setting.as_ref());
    assert!(settings.clone().count() > 0);
    assert!(
        settings
            .clone()
            .all(|setting| setting.values.first().is_none_or(|word| word != "monitor"))
    );
}
