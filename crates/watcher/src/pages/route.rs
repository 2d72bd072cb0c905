//! One page: its path, who may see it, whether it answers at once, what it is. And the router of many.

use axum::middleware::from_fn_with_state;
use axum::routing::MethodRouter;
use httpd::Router;

use super::guard::{self, Guard};
use super::openapi::{About, Answer, Question};
use crate::known::Known;

/// One page.
pub(crate) struct Route {
    pub(super) path: &'static str,
    pub(super) access: Access,
    pub(super) pace: Pace,
    pub(super) handler: MethodRouter<Known>,
    pub(super) about: About,
}

/// Who may see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody.
    Open,
    /// Who shows the token, where there is one.
    Guarded,
}

/// Whether it answers at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    Quick,
    /// It may wait for something to happen.
    Patient,
}

impl Route {
    pub(super) fn open(path: &'static str, handler: MethodRouter<Known>, summary: &'static str) -> Self {
        let about = About {
            summary,
            questions: Vec::new(),
            answers: Vec::new(),
            post: None,
        };
        Self {
            path,
            access: Access::Open,
            pace: Pace::Quick,
            handler,
            about,
        }
    }

    pub(super) fn guarded(path: &'static str, handler: MethodRouter<Known>, summary: &'static str) -> Self {
        Self {
            access: Access::Guarded,
            ..Self::open(path, handler, summary)
        }
    }

    pub(super) fn patient(self) -> Self {
        Self {
            pace: Pace::Patient,
            ..self
        }
    }

    pub(super) fn asks(mut self, questions: &[Question]) -> Self {
        self.about.questions = questions.to_vec();
        self
    }

    /// The JSON of what POST does.
    pub(super) fn also(mut self, post: &'static str) -> Self {
        self.about.post = Some(post);
        self
    }

    pub(super) fn answers(mut self, answers: &[Answer]) -> Self {
        self.about.answers = answers.to_vec();
        self
    }
}

/// Adds the pages of the table to `quick`, and the patient ones beside it.
pub(super) fn built(
    routes: Vec<Route>,
    guard: &Guard,
    quick: Router<Known>,
) -> (Router<Known>, Router<Known>) {
    let mut routers = (quick, Router::new());
    for route in routes {
        let handler = match route.access {
            Access::Open => route.handler,
            Access::Guarded => route
                .handler
                .layer(from_fn_with_state(guard.clone(), guard::check)),
        };
        match route.pace {
            Pace::Quick => routers.0 = routers.0.route(route.path, handler),
            Pace::Patient => routers.1 = routers.1.route(route.path, handler),
        }
    }
    routers
}
