//! What a provider, or somebody in its place, may try: nobody is let in by it, each time it is said, and it is noted.

use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use memdeck_model::audit::AuditResult;
use serde_json::{Value, json};

use super::double::{Answer, Description, Double, Signed, elsewhere, huge};
use super::{Browser, NOW_S, ROLES, TOKEN, body, cookies, noted, started};
use crate::support::{TestApp, get, http, send};

/// Signs in, in vain: status and page.
async fn refused(app: &TestApp, double: &Double, what: &str) -> (StatusCode, String) {
    let response = Browser::new(app).signs_in(double).await;
    let cookies = cookies(&response);
    assert!(cookies.iter().all(|cookie| cookie.starts_with("memdeck_oidc=;")), "{what}: {cookies:?}");
    (response.status(), body(response).await)
}

const UNVERIFIED: &str = "cannot be verified. Tell an administrator of memdeck.";

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_proves_nothing_lets_nobody_in() {
    let (double, app) = started(&[ROLES]).await;
    let wrong = [
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"aud": "another client"}),
        json!({"aud": ["memdeck", "another client"]}),
        json!({"exp": NOW_S - 61}),
        json!({"iss": "https://evil.example"}),
    ];
    for claims in &wrong {
        double.told.lock().claims = claims.clone();
        let (status, page) = refused(&app, &double, &claims.to_string()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{claims}: {page}");
        assert!(page.contains(UNVERIFIED), "{claims}: {page}");
    }
    double.told.lock().claims = json!({"exp": NOW_S - 30});
    Browser::new(&app).session(&double).await;
    double.told.lock().claims = json!({});
    let forged = [Signed::ByUnknownKey, Signed::ByAnother, Signed::Not, Signed::WithPublicKey];
    for signed in forged {
        double.told.lock().signed = signed;
        let (status, page) = refused(&app, &double, &format!("{signed:?}")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{signed:?}: {page}");
    }
    double.told.lock().signed = Signed::Rightly;
    Browser::new(&app).session(&double).await;
    let entries = noted(&app, 12).await;
    let failed = entries.iter().filter(|entry| entry.result == AuditResult::Refused);
    let counted: u64 = failed.map(|entry| entry.details.count.unwrap()).sum();
    assert_eq!(counted, 10, "{entries:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_that_fails_lets_nobody_in() {
    let (double, app) = started(&[ROLES]).await;
    let answers: [(&str, Answer); 6] = [
        ("an error", || (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response()),
        ("a redirect", elsewhere),
        ("more than fits", huge),
        ("no JSON", || "<html>".into_response()),
        ("no token of identity", || {
            Json(json!({"access_token": "x", "token_type": "Bearer"})).into_response()
        }),
        ("no token at all", || {
            Json(json!({"access_token": "x", "token_type": "Bearer", "id_token": "a.b"})).into_response()
        }),
    ];
    for (what, answer) in answers {
        double.told.lock().token_answer = Some(answer);
        let (status, page) = refused(&app, &double, what).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{what}: {page}");
        assert!(page.contains("did not confirm the sign-in. Try again."), "{what}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_ends_a_sign_in_that_another_browser_began_or_that_was_ended() {
    let (double, app) = started(&[ROLES]).await;
    let not_begun = async |browser: &Browser<'_>, path: &str, what: &str| {
        let response = browser.asks(path).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{what}");
        let page = body(response).await;
        assert!(page.contains("took too long, was ended already, or was begun in another window"), "{page}");
    };
    let (mut mine, mut other) = (Browser::new(&app), Browser::new(&app));
    let page = mine.leaves("/sign-in/oidc").await;
    other.leaves("/sign-in/oidc").await;
    let back = double.let_in(&page);
    not_begun(&Browser::new(&app), &back, "without a cookie").await;
    not_begun(&other, &back, "another browser").await;
    not_begun(&mine, &back.replace("state=", "state=x"), "another state").await;
    not_begun(&mine, "/sign-in/oidc/callback?code=code-0", "no state").await;
    not_begun(&mine, "/sign-in/oidc/callback?state=%ff&code=a&code=b", "no query").await;
    assert_eq!(double.told.lock().asked.get("/token"), None, "nobody was asked for");
    assert_eq!(mine.asks(&back).await.status(), StatusCode::SEE_OTHER);
    not_begun(&mine, &back, "twice").await;

    let page = mine.leaves("/sign-in/oidc").await;
    let back = double.let_in(&page);
    app.clock.advance(Duration::from_mins(10));
    not_begun(&mine, &back, "too late").await;
    // A code that was exchanged is good for nothing, whoever brings it.
    let used = mine.leaves("/sign-in/oidc").await;
    let used = double.let_in(&used).replace("code-2", "code-0");
    assert_eq!(mine.asks(&used).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_says_instead_of_a_code_is_told_in_plain_letters() {
    let (double, app) = started(&[ROLES]).await;
    let mut browser = Browser::new(&app);
    for (answer, status, said) in [
        ("error=access_denied&error_description=%3Cb%3E", 403, "refused the sign-in (access_denied)."),
        ("error=%3Cscript%3Ex%20y", 403, "refused the sign-in (scriptxy)."),
        ("iss=https%3A%2F%2Fevil.example&code=x", 401, "does not come from the provider"),
        ("x=y", 401, "did not confirm the sign-in"),
    ] {
        let page = browser.leaves("/sign-in/oidc?next=/vms").await;
        let state = page.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        let response = browser.asks(&format!("/sign-in/oidc/callback?state={state}&{answer}")).await;
        assert_eq!(response.status().as_u16(), status, "{answer}");
        let page = body(response).await;
        assert!(page.contains(said) && !page.contains("<b>") && !page.contains("<script>"), "{page}");
        assert!(page.contains(r#"href="/sign-in/oidc?next=%2Fvms""#), "another try leads there, too: {page}");
    }
    let reasons: Vec<_> =
        noted(&app, 4).await.into_iter().map(|entry| entry.details.reason.unwrap()).collect();
    assert_eq!(reasons.len(), 4, "{reasons:?}");
    assert_eq!(double.told.lock().asked.get("/token"), None);
}

fn described(issuer: &str, changed: &Value) -> Response {
    let mut told = json!({
        "issuer": issuer, "authorization_endpoint": format!("{issuer}/auth"), "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks"), "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
    });
    told.as_object_mut().unwrap().extend(changed.as_object().unwrap().clone());
    Json(told).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_that_leads_elsewhere_is_not_followed() {
    let (double, app) = started(&[ROLES]).await;
    let answers: [(&str, Description); 8] = [
        ("another issuer", |issuer| described(issuer, &json!({"issuer": "https://evil.example"}))),
        ("the same with a slash", |issuer| described(issuer, &json!({"issuer": format!("{issuer}/")}))),
        ("keys without TLS", |issuer| described(issuer, &json!({"jwks_uri": "http://192.0.2.1/jwks"}))),
        ("a page without TLS", |issuer| {
            described(issuer, &json!({"authorization_endpoint": "http://192.0.2.1/auth"}))
        }),
        ("a page that is none", |issuer| {
            described(issuer, &json!({"authorization_endpoint": "javascript:alert(1)"}))
        }),
        ("a redirect", |_| elsewhere()),
        ("more than fits", |_| huge()),
        ("an error", |_| StatusCode::INTERNAL_SERVER_ERROR.into_response()),
    ];
    for (what, answer) in answers {
        double.told.lock().description = Some(answer);
        let response = Browser::new(&app).asks("/sign-in/oidc").await;
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY, "{what}");
        let page = body(response).await;
        assert!(page.contains("does not answer as it should"), "{what}: {page}");
        app.clock.advance(Duration::from_secs(3));
    }
    assert_eq!(noted(&app, 0).await, [], "nobody tried to sign in");
    double.told.lock().description = None;
    Browser::new(&app).session(&double).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memdeck_works_while_the_provider_is_away_and_finds_it_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let double = Double::at(address, NOW_S);
    let app = TestApp::start_with(http(&double.settings(&[ROLES])).unwrap());
    let away = Browser::new(&app).asks("/sign-in/oidc").await;
    assert_eq!(away.status(), StatusCode::BAD_GATEWAY);
    let mut by_token = get("/api/me");
    by_token.headers_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    assert_eq!(send(&app.dashboard, by_token).await.status(), StatusCode::OK);

    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    tokio::spawn(axum::serve(listener, double.routes()).into_future());
    let soon = Browser::new(&app).asks("/sign-in/oidc").await;
    assert_eq!(soon.status(), StatusCode::BAD_GATEWAY, "nobody is asked again at once");
    app.clock.advance(Duration::from_secs(3));
    Browser::new(&app).session(&double).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_hangs_is_not_waited_for_without_end() {
    // Takes connections, and says nothing.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let double = Double::at(listener.local_addr().unwrap(), NOW_S);
    let app = TestApp::start_with(http(&double.settings(&[ROLES])).unwrap());
    let browser = Browser::new(&app);
    let answered = tokio::time::timeout(Duration::from_secs(20), browser.asks("/sign-in/oidc"));
    assert_eq!(answered.await.expect("within its patience").status(), StatusCode::BAD_GATEWAY);
}
