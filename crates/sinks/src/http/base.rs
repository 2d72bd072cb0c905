//! An address to send requests to, whose secrets are shown to nobody but its server: a user's password, and for a webhook all after
//! the host, since that is where such services put their token.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use hyper::header::HeaderValue;

use super::HttpSetupError;

/// A URL, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Base {
    tls: bool,
    host: String,
    port: u16,
    path_and_query: String,
    basic: Option<HeaderValue>,
}

impl Base {
    /// Reads a URL; `what` names it in what is said about it.
    pub fn read(what: &str, url: &str) -> Result<Self, HttpSetupError> {
        let wrong = |problem: &str| HttpSetupError::Address {
            what: what.to_owned(),
            problem: problem.to_owned(),
        };
        let uri: Uri = url
            .parse()
            .map_err(|e: hyper::http::uri::InvalidUri| wrong(&e.to_string()))?;
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) => return Err(wrong("its scheme is another one")),
            None => return Err(wrong("it does not begin with http:// or https://")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it names no host"))?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err(wrong("it names no host"));
        }
        if authority.port().is_some() && authority.port_u16().is_none() {
            return Err(wrong("its port is none"));
        }
        let basic = match authority.as_str().rsplit_once('@') {
            Some((user, _)) => Some(basic(user).ok_or(HttpSetupError::Header {
                what: "the user or the password of a URL",
            })?),
            None => None,
        };
        Ok(Self {
            tls,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            path_and_query: uri
                .path_and_query()
                .map_or_else(|| "/".to_owned(), ToString::to_string),
            basic,
        })
    }

    /// Whether it is https.
    pub(crate) fn tls(&self) -> bool {
        self.tls
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What a request line asks for.
    pub fn path_and_query(&self) -> &str {
        &self.path_and_query
    }

    /// The user and the password, as a header says them.
    pub fn basic(&self) -> Option<HeaderValue> {
        self.basic.clone()
    }

    /// Host and port.
    pub fn place(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Scheme, host and port: all of it that may be shown.
    pub fn origin(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        let usual = if self.tls { 443 } else { 80 };
        let place = self.place();
        let place = place.strip_suffix(&format!(":{usual}")).unwrap_or(&place);
        format!("{scheme}://{place}")
    }

    pub(crate) fn host_header(&self) -> HeaderValue {
        let origin = self.origin();
        let host = origin.split_once("://").map_or("", |(_, host)| host);
        // A host that came out of a URL has only characters that a header may have.
        HeaderValue::from_str(host).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

impl fmt::Debug for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin())
    }
}

fn basic(user: &str) -> Option<HeaderValue> {
    let (user, password) = user.split_once(':').unwrap_or((user, ""));
    let plain = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let pair = [plain(user), plain(password)].join(&b':');
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_hides_what_is_secret() {
        let base = Base::read(
            "it",
            "https://me:s3cr3t%21@hooks.example.com/services/t0k3n?key=k3y",
        )
        .unwrap();
        assert_eq!(
            (base.tls(), base.host(), base.port()),
            (true, "hooks.example.com", 443)
        );
        assert_eq!(base.path_and_query(), "/services/t0k3n?key=k3y");
        // printf 'me:s3cr3t!' | base64
        assert_eq!(base.basic().unwrap(), "Basic bWU6czNjcjN0IQ==");
        let shown = format!("{base:?} {} {}", base.place(), base.origin());
        assert_eq!(
            shown,
            "https://hooks.example.com hooks.example.com:443 https://hooks.example.com"
        );
        let plain = Base::read("it", "http://[::1]:8500").unwrap();
        assert_eq!(
            (plain.host(), plain.port(), plain.path_and_query()),
            ("::1", 8500, "/")
        );
        assert_eq!(plain.host_header(), "[::1]:8500");
    }

    #[test]
    fn what_is_no_url_is_refused_without_being_shown() {
        for url in [
            "",
            "hooks.example.com",
            "ftp://s3cr3t@host/",
            "https://",
            "http://me:s3cr3t@/x",
            "https://s3cr3t host/",
        ] {
            let error = Base::read("WEBHOOK_URL", url).unwrap_err().to_string();
            assert!(
                error.starts_with("WEBHOOK_URL is no http:// or https:// address: "),
                "{error}"
            );
            assert!(!error.contains("s3cr3t"), "{error}");
        }
    }
}
