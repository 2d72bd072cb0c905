//! `/ui`: the page for people. Its files are in the program; it needs no build step and nothing from elsewhere.
//!
//! Its policy forbids everything but its own script and style, so that a text from a znode can never become either.

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

/// Where it is.
pub(super) const PATH: &str = "/ui";

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// One file.
#[derive(Debug)]
pub(super) struct Asset {
    media: &'static str,
    text: &'static str,
}

pub(super) static PAGE: Asset = Asset {
    media: "text/html; charset=utf-8",
    text: include_str!("ui/index.html"),
};
static LOGIN: Asset = Asset {
    media: "text/html; charset=utf-8",
    text: include_str!("ui/login.html"),
};
pub(super) static SCRIPT: Asset = Asset {
    media: "text/javascript; charset=utf-8",
    text: include_str!("ui/app.js"),
};
pub(super) static STYLE: Asset = Asset {
    media: "text/css; charset=utf-8",
    text: include_str!("ui/style.css"),
};
pub(super) static ICON: Asset = Asset {
    media: "image/svg+xml",
    text: include_str!("ui/icon.svg"),
};

impl Asset {
    /// It, with the policy.
    pub(super) fn answer(&self) -> Response {
        let headers = [
            (CONTENT_TYPE, self.media),
            // A new version of the program has another script.
            (CACHE_CONTROL, "no-cache"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (REFERRER_POLICY, "no-referrer"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ];
        let headers = headers.map(|(name, value)| (name, HeaderValue::from_static(value)));
        (headers, self.text).into_response()
    }
}

/// The form, which says so when the token that was shown is wrong.
pub(super) fn login(code: StatusCode) -> Response {
    let mut response = if code == StatusCode::UNAUTHORIZED {
        let text = LOGIN
            .text
            .replace("<p role=\"alert\" hidden>", "<p role=\"alert\">");
        let mut response = LOGIN.answer();
        *response.body_mut() = text.into();
        response
    } else {
        LOGIN.answer()
    };
    *response.status_mut() = code;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small_and_all_its_own() {
        let files = [&PAGE, &LOGIN, &SCRIPT, &STYLE, &ICON];
        let size: usize = files.iter().map(|file| file.text.len()).sum();
        assert!(size < 40_000, "{size} bytes");
        for file in files {
            for word in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "eval(",
                " style=\"",
                " onclick=",
            ] {
                assert!(!file.text.contains(word), "{word}");
            }
            let elsewhere = file.text.replace("http://www.w3.org/2000/svg", "");
            assert!(!elsewhere.contains("http://") && !elsewhere.contains("https://"));
        }
        assert!(LOGIN.text.contains("<p role=\"alert\" hidden>"));
    }
}
