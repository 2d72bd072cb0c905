//! The pages of the original redis-zk, byte for byte: clients read them with a split and nothing else.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use topology::Addr;

use super::staleness::mark;
use crate::roster::Roster;
use crate::situation::{Age, FollowedChildren, Situation};

const TEXT: &str = "text/plain; charset=utf-8";

/// One Sentinel by chance: `<host> <port>`.
pub(super) async fn sentinel(State(situation): State<Situation>) -> Response {
    answer(&situation.sentinels, |sentinels| {
        sentinels[rand::random_range(0..sentinels.len())].contract()
    })
}

/// All Sentinels in the order of their znodes: `<host>:<port>,<host>:<port>`.
pub(super) async fn sentinels(State(situation): State<Situation>) -> Response {
    answer(&situation.sentinels, |sentinels| {
        let texts: Vec<String> = sentinels.iter().map(ToString::to_string).collect();
        texts.join(",")
    })
}

/// 200 and nothing, whatever was asked: old health checks ask for `/`, and for whatever their authors mistyped.
pub(super) async fn anything_else() -> Response {
    text(StatusCode::OK, String::new())
}

fn answer(copy: &FollowedChildren, write: impl Fn(&[Addr]) -> String) -> Response {
    let followed = copy.borrow();
    let age = Age::of(&followed);
    let Some(registrations) = followed.value.as_ref().filter(|_| age != Age::Never) else {
        return text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "ZooKeeper has not been read yet".to_owned(),
        );
    };
    let sentinels: Vec<Addr> = Roster::read(registrations).named.into_values().collect();
    if sentinels.is_empty() {
        let none = text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "no Sentinel is registered".to_owned(),
        );
        return mark(none, age);
    }
    mark(text(StatusCode::OK, write(&sentinels)), age)
}

fn text(code: StatusCode, body: String) -> Response {
    (code, [(CONTENT_TYPE, TEXT)], body).into_response()
}
