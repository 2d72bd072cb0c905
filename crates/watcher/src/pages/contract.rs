//! The pages of the original redis-zk, byte for byte: clients read them with a split and nothing else.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use topology::Addr;

use super::api;
use super::chosen::ChosenOrFirst;
use super::staleness::mark;
use crate::roster::Roster;
use crate::situation::{Age, Situation};

const TEXT: &str = "text/plain; charset=utf-8";

/// One Sentinel by chance: `<host> <port>`.
pub(super) async fn sentinel(ChosenOrFirst(situation): ChosenOrFirst) -> Response {
    answer(&situation, |sentinels| {
        sentinels[rand::random_range(0..sentinels.len())].contract()
    })
}

/// All Sentinels in the order of their znodes: `<host>:<port>,<host>:<port>`.
pub(super) async fn sentinels(ChosenOrFirst(situation): ChosenOrFirst) -> Response {
    answer(&situation, |sentinels| {
        let texts: Vec<String> = sentinels.iter().map(ToString::to_string).collect();
        texts.join(",")
    })
}

/// 200 and nothing, whatever was asked: old health checks ask for `/`, and for whatever their authors mistyped.
pub(super) async fn anything_else() -> Response {
    text(StatusCode::OK, String::new())
}

fn answer(situation: &Situation, write: impl Fn(&[Addr]) -> String) -> Response {
    let followed = situation.sentinels.borrow();
    let age = Age::of(&followed);
    let Some(registrations) = followed.value.as_ref().filter(|_| age != Age::Never) else {
        return text(
            StatusCode::INTERNAL_SERVER_ERROR,
            api::unread(situation).to_owned(),
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

pub(super) fn text(code: StatusCode, body: String) -> Response {
    (code, [(CONTENT_TYPE, TEXT)], body).into_response()
}
