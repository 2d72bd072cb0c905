//! Whoever asks must show `HTTP_TOKEN`, where there is one: as `Authorization: Bearer`, or, in a browser, by a cookie that a form
//! sets.
//!
//! The cookie is not the token: it is derived from it, the same for each watcher that has it, so it can be shown to each of
//! them and used for nothing else. Both are compared as HMACs, in constant time whatever their length.

use std::sync::Arc;

use axum::extract::{Request, State as Shared};
use axum::http::header::{AUTHORIZATION, COOKIE, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::Sha256;

use super::{api, ui};

const NAME: &str = "redis-zk";
/// What the cookie is the HMAC of. Another text makes all cookies worthless.
const PURPOSE: &[u8] = b"redis-zk watcher page";
const HOW: &str =
    "a token is needed: send the header `Authorization: Bearer <HTTP_TOKEN>`, or open /ui/login in a browser";

/// Knows the token, if there is one.
#[derive(Clone)]
pub(super) struct Guard {
    expected: Option<Arc<[u8]>>,
}

#[derive(Deserialize)]
pub(super) struct Shown {
    token: String,
}

impl Guard {
    /// Lets everybody in where there is no token.
    pub(super) fn new(token: Option<&str>) -> Self {
        Self {
            expected: token.map(|token| derived(token).finalize().into_bytes().as_slice().into()),
        }
    }

    /// Whether the token is right.
    fn knows(&self, token: &str) -> bool {
        match &self.expected {
            Some(expected) => derived(token).verify_slice(expected).is_ok(),
            None => true,
        }
    }

    fn lets_in(&self, headers: &HeaderMap) -> bool {
        let Some(expected) = &self.expected else {
            return true;
        };
        let text = |value: Option<&axum::http::HeaderValue>| value?.to_str().ok().map(str::to_owned);
        let header = text(headers.get(AUTHORIZATION));
        let bearer = header.as_deref().and_then(bearer);
        if bearer.is_some_and(|token| self.knows(token)) {
            return true;
        }
        // The HMAC of an HMAC: equal only if what was shown is.
        let wanted = derived(&hex(expected)).finalize().into_bytes();
        headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().strip_prefix(NAME)?.strip_prefix('='))
            .any(|shown| derived(shown).verify_slice(&wanted).is_ok())
    }
}

/// The token of `Bearer <token>`; the word in any case.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn derived(token: &str) -> Hmac<Sha256> {
    let keyed = Hmac::<Sha256>::new_from_slice(token.as_bytes()).expect("a key of any length is a key");
    keyed.chain_update(PURPOSE)
}

fn hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}

/// Before every page that is not for everybody.
pub(super) async fn check(Shared(guard): Shared<Guard>, request: Request, next: Next) -> Response {
    if guard.lets_in(request.headers()) {
        return next.run(request).await;
    }
    if request.uri().path() == ui::PATH {
        return (StatusCode::SEE_OTHER, [(LOCATION, "ui/login")]).into_response();
    }
    let refused = api::wrong(StatusCode::UNAUTHORIZED, HOW);
    ([(WWW_AUTHENTICATE, "Bearer realm=\"redis-zk\"")], refused).into_response()
}

/// The form; where no token is needed, the page itself.
pub(super) fn form(guard: &Guard) -> Response {
    match guard.expected {
        Some(_) => ui::login(StatusCode::OK),
        None => back(),
    }
}

/// What the form sends.
pub(super) fn log_in(guard: &Guard, headers: &HeaderMap, shown: &Shown) -> Response {
    let Some(expected) = guard.expected.as_ref().filter(|_| guard.knows(&shown.token)) else {
        return match guard.expected {
            Some(_) => ui::login(StatusCode::UNAUTHORIZED),
            None => back(),
        };
    };
    // Behind a proxy that speaks TLS the cookie is for TLS alone.
    let proto = headers
        .get("x-forwarded-proto")
        .and_then(|proto| proto.to_str().ok());
    let secure = if proto == Some("https") { "; Secure" } else { "" };
    let value = hex(expected);
    let cookie = format!("{NAME}={value}; Path=/; HttpOnly; SameSite=Strict{secure}");
    ([(SET_COOKIE, cookie)], back()).into_response()
}

fn back() -> Response {
    (StatusCode::SEE_OTHER, [(LOCATION, "../ui")]).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: axum::http::HeaderName, value: &str) -> HeaderMap {
        [(name, value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn the_token_or_its_cookie_lets_in_and_nothing_else_does() {
        let guard = Guard::new(Some("t0k3n"));
        let cookie = hex(guard.expected.as_ref().unwrap());
        assert_eq!(cookie.len(), 64);
        let other = hex(Guard::new(Some("other")).expected.as_ref().unwrap());
        for (name, value, lets_in) in [
            (AUTHORIZATION, "Bearer t0k3n".to_owned(), true),
            (AUTHORIZATION, "bearer  t0k3n ".to_owned(), true),
            (AUTHORIZATION, "Bearer t0k3".to_owned(), false),
            (AUTHORIZATION, "Bearer".to_owned(), false),
            (AUTHORIZATION, "Bearer ".to_owned(), false),
            (AUTHORIZATION, "Basic t0k3n".to_owned(), false),
            // The cookie is no token, and the token no cookie.
            (AUTHORIZATION, format!("Bearer {cookie}"), false),
            (COOKIE, "redis-zk=t0k3n".to_owned(), false),
            (COOKIE, format!("redis-zk={cookie}"), true),
            (COOKIE, format!("a=b; redis-zk={other}; redis-zk={cookie}"), true),
            (COOKIE, format!("redis-zk={other}"), false),
            (COOKIE, "redis-zk=".to_owned(), false),
            (COOKIE, format!("other={cookie}"), false),
        ] {
            assert_eq!(guard.lets_in(&headers(name, &value)), lets_in, "{value}");
        }
        assert!(!guard.lets_in(&HeaderMap::new()));
        assert!(Guard::new(None).lets_in(&HeaderMap::new()));
    }
}
