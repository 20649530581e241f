//! A rolling deploy: instances of two versions of the program have the same sessions.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::routing::{get, post};
use nam::tracked::Class;
use nam::web::{Session, SessionError, SessionLayer};
use nam::{InProcess, Node};

use crate::shop::{Answer, Browser, key, send};

mod former {
    #[derive(nam::Tracked, Clone, Debug, Default)]
    #[nam(name = "deploy.Visit")]
    pub(super) struct Visit {
        pub(super) visits: u64,
        pub(super) mood: Mood,
    }

    #[derive(nam::Tracked, Clone, Debug, Default)]
    pub(super) enum Mood {
        #[default]
        Calm,
        Glad,
    }
}

mod next {
    #[derive(nam::Tracked, Clone, Debug, Default)]
    #[nam(name = "deploy.Visit")]
    pub(super) struct Visit {
        pub(super) visits: u64,
        pub(super) mood: Mood,
        #[nam(default)]
        pub(super) words: Vec<String>,
    }

    #[derive(nam::Tracked, Clone, Debug, Default)]
    pub(super) enum Mood {
        #[default]
        Calm,
        Glad,
        Cross {
            why: String,
        },
    }
}

fn around<T: Class + Default>(routes: Router, node: Node) -> Router {
    routes.layer(SessionLayer::<T>::builder(node).with_signed(key(1)).build().unwrap())
}

fn of_former(node: Node) -> Router {
    let visit = async |session: Session<former::Visit>| {
        session.update(|visit| *visit.visits_mut() += 1).await?;
        let visit = session.read().await?;
        Ok::<_, SessionError>(format!("{} {:?}", visit.visits, visit.mood))
    };
    let glad =
        async |session: Session<former::Visit>| session.update(|visit| visit.mood_mut().set(former::Mood::Glad)).await;
    around::<former::Visit>(Router::new().route("/visit", post(visit)).route("/mood", post(glad)), node)
}

fn of_next(node: Node) -> Router {
    let visit = async |session: Session<next::Visit>| {
        session.update(|visit| *visit.visits_mut() += 1).await?;
        Ok::<_, SessionError>(())
    };
    let cross = async |session: Session<next::Visit>, why: String| {
        let cross = session.update(move |visit| {
            visit.words_mut().push(why.clone());
            visit.mood_mut().set(if why.is_empty() {
                next::Mood::Calm
            } else {
                next::Mood::Cross { why: why.clone() }
            });
        });
        cross.await
    };
    let show = async |session: Session<next::Visit>| {
        let visit = session.read().await?;
        Ok::<_, SessionError>(format!("{} {:?} {:?}", visit.visits, visit.mood, visit.words))
    };
    let routes = Router::new().route("/visit", post(visit)).route("/mood", post(cross)).route("/", get(show));
    around::<next::Visit>(routes, node)
}

async fn press(browser: &mut Browser, router: &Router, path: &str, body: &str) -> Answer {
    let answer = send(router, if path == "/" { "GET" } else { "POST" }, path, body, &[browser.header()]).await;
    browser.keep(&answer);
    answer
}

#[tokio::test]
async fn an_instance_that_is_too_old_for_a_session_says_to_try_again_and_spoils_nothing() {
    let repository = InProcess::new().unwrap();
    let former = of_former(repository.node().await.unwrap());
    let next = of_next(repository.node().await.unwrap());
    let mut browser = Browser::default();
    press(&mut browser, &former, "/mood", "").await;
    press(&mut browser, &next, "/visit", "").await;
    assert_eq!(press(&mut browser, &former, "/visit", "").await.text, "2 Glad", "both versions write");

    press(&mut browser, &next, "/mood", "rain").await;
    for _ in 0..2 {
        let refused = press(&mut browser, &former, "/visit", "").await;
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{}", refused.text);
        assert_eq!(refused.headers[header::RETRY_AFTER], "1");
    }
    press(&mut browser, &next, "/visit", "").await;
    assert_eq!(press(&mut browser, &next, "/", "").await.text, "3 Cross { why: \"rain\" } [\"rain\"]");

    press(&mut browser, &next, "/mood", "").await;
    assert_eq!(press(&mut browser, &former, "/visit", "").await.text, "4 Calm");
    assert_eq!(
        press(&mut browser, &next, "/", "").await.text,
        "4 Calm [\"rain\", \"\"]",
        "what it does not know stays"
    );
}
