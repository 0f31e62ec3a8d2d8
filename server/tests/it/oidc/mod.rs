//! Signing in by `OpenID` Connect: whom a provider proves to be somebody is known here, and nobody is whom it does not. Against a
//! certified provider it is tried in a browser (`end2end/tests/oidc.test.mjs`).

mod double;
mod hostile;
mod settings;

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use memdeck::http::below;
use memdeck_model::audit::{AuditAction, AuditEntry};
use memdeck_model::{AccountChange, Actor, NewAccount, NewGroup, Role};
use memdeck_operations::Accounts;
use reqwest::Url;
use serde_json::{Value, json};

use crate::support::{HOST, TestApp, answer, get, http, post, send, text, trusted};
use double::Double;

const TOKEN: &str = "a token of some length";
const ROLES: (&str, &str) = ("OIDC_ROLES", "soc=analyst, ops = operator, /all=admin");
/// When the clock of a [`TestApp`] starts.
const NOW_S: i64 = 1_763_110_703;

/// A browser at the sign-in page of an app.
struct Browser<'a> {
    app: &'a TestApp,
    /// The one with which it must come back.
    cookie: String,
}

impl<'a> Browser<'a> {
    fn new(app: &'a TestApp) -> Self {
        Self { app, cookie: String::new() }
    }

    async fn asks(&self, path: &str) -> Response<Body> {
        let mut request = get(path);
        request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
        if !self.cookie.is_empty() {
            request.headers_mut().insert("cookie", self.cookie.parse().unwrap());
        }
        send(&self.app.dashboard, request).await
    }

    /// Presses the button: where it is sent to.
    async fn leaves(&mut self, path: &str) -> Url {
        let response = self.asks(path).await;
        let status = response.status();
        assert!(status == StatusCode::SEE_OTHER, "{status}: {}", body(response).await);
        cookies(&response)[0].split(';').next().unwrap().clone_into(&mut self.cookie);
        Url::parse(response.headers()["location"].to_str().unwrap()).unwrap()
    }

    /// Signs in at the provider: the answer to its return.
    async fn signs_in(&mut self, double: &Double) -> Response<Body> {
        let page = self.leaves("/sign-in/oidc").await;
        self.asks(&double.let_in(&page)).await
    }

    /// The same: the cookie of its session.
    async fn session(&mut self, double: &Double) -> String {
        let response = self.signs_in(double).await;
        let status = response.status();
        assert!(status == StatusCode::SEE_OTHER, "{status}: {}", body(response).await);
        cookies(&response).remove(0).split(';').next().unwrap().to_owned()
    }
}

async fn body(response: Response<Body>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn cookies(response: &Response<Body>) -> Vec<String> {
    let all = response.headers().get_all("set-cookie").iter();
    all.map(|cookie| cookie.to_str().unwrap().to_owned()).collect()
}

fn with(cookie: &str, mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert("cookie", cookie.parse().unwrap());
    request
}

async fn me(app: &TestApp, cookie: &str) -> (StatusCode, Value) {
    answer(&app.dashboard, with(cookie, get("/api/me"))).await
}

/// What the audit says of signing in, the newest first, as soon as it is that much: refusals are noted by the way.
async fn noted(app: &TestApp, count: usize) -> Vec<AuditEntry> {
    loop {
        let request = Request::get("/api/audit?action=sign_in").header("host", HOST);
        let request = request.header("authorization", format!("Bearer {TOKEN}")).body(Body::empty()).unwrap();
        let (_, page) = answer(&app.dashboard, request).await;
        let found: Vec<AuditEntry> = serde_json::from_value(page["entries"].clone()).unwrap();
        if found.len() >= count {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn add(app: &TestApp, name: &str, role: Role) {
    let password = "correct horse battery".to_owned().into();
    let new = NewAccount { name: name.parse().unwrap(), role, group: None, password };
    app.accounts.add_account(new, &trusted()).await.unwrap();
}

async fn started(further: &[(&str, &str)]) -> (Double, TestApp) {
    let double = Double::start(NOW_S).await;
    let app = TestApp::start_with(http(&double.settings(further)).unwrap());
    (double, app)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_in_at_the_provider_has_the_role_of_their_groups_and_a_session() {
    let (double, app) = started(&[ROLES]).await;
    let mut browser = Browser::new(&app);
    let page = browser.leaves("/sign-in/oidc?next=%2Fmemory-dumps%3Frows%3D50").await;
    assert!(page.as_str().starts_with(&format!("{}/auth?", double.issuer)), "{page}");
    let asked = |name: &str| page.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned();
    assert_eq!(
        ["response_type", "client_id", "scope", "code_challenge_method", "redirect_uri"].map(asked),
        ["code", "memdeck", "openid profile", "S256", "http://127.0.0.1:8000/sign-in/oidc/callback"]
    );

    let response = browser.asks(&double.let_in(&page)).await;
    assert_eq!(
        (response.status(), &response.headers()["location"]),
        (StatusCode::SEE_OTHER, &"/memory-dumps?rows=50".parse().unwrap())
    );
    let [session, spent] = cookies(&response).try_into().unwrap();
    assert!(session.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{session}");
    assert_eq!(spent, "memdeck_oidc=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    let cookie = session.split(';').next().unwrap();

    let (_, told) = me(&app, cookie).await;
    assert_eq!(
        (&told["name"], &told["role"], &told["elsewhere"]),
        (&json!("ada"), &json!("analyst"), &json!(true))
    );
    let trigger = with(cookie, post("/api/memory-dumps/trigger", r#"{"vms": ["web-01"]}"#));
    assert_eq!(send(&app.dashboard, trigger).await.status(), StatusCode::FORBIDDEN);
    let (_, sessions) = answer(&app.dashboard, with(cookie, get("/api/sessions"))).await;
    assert_eq!(
        (&sessions[0]["user"], &sessions[0]["is_this"], &sessions[1]),
        (&json!("ada"), &json!(true), &Value::Null)
    );

    let entry = noted(&app, 1).await.remove(0);
    assert_eq!((entry.action, entry.actor), (AuditAction::SignIn, Actor::User { name: "ada".to_owned() }));
    assert_eq!(entry.details.value.unwrap(), format!("by {}, as subject-7", double.issuer));

    // Another start knows the session still, and ends it where the settings have changed.
    let clock: std::sync::Arc<dyn memdeck_clock::Clock> = std::sync::Arc::new(app.clock.clone());
    let again = Accounts::load(&app.catalog, &clock).unwrap();
    let value = cookie.split_once('=').unwrap().1;
    assert_eq!(again.resume(value).unwrap().1.identity, Some(Actor::User { name: "ada".to_owned() }));
    let same = http(&double.settings(&[ROLES])).unwrap().oidc.unwrap().fingerprint();
    again.sessions().keep_only_of_provider(Some(same)).await;
    assert!(again.resume(value).is_some());
    let others = [("OIDC_ROLES", "soc=viewer")];
    let other = http(&double.settings(&others)).unwrap().oidc.unwrap().fingerprint();
    again.sessions().keep_only_of_provider(Some(other)).await;
    assert!(again.resume(value).is_none());
    assert_eq!(app.catalog.sessions().unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_ends_their_own_sessions_and_signs_out() {
    let (double, app) = started(&[ROLES]).await;
    let (first, second) =
        (Browser::new(&app).session(&double).await, Browser::new(&app).session(&double).await);
    let (_, sessions) = answer(&app.dashboard, with(&second, get("/api/sessions"))).await;
    let other = sessions.as_array().unwrap().iter().find(|one| one["is_this"] == false).unwrap();
    let end = crate::support::delete(&format!("/api/sessions/{}", other["id"].as_str().unwrap()), "");
    assert_eq!(send(&app.dashboard, with(&second, end)).await.status(), StatusCode::NO_CONTENT);
    assert_eq!(me(&app, &first).await.0, StatusCode::UNAUTHORIZED);
    let out = Request::post("/sign-out").header("host", HOST).header("origin", format!("http://{HOST}"));
    let out = out.header("content-type", "application/x-www-form-urlencoded").body(Body::empty()).unwrap();
    assert_eq!(send(&app.dashboard, with(&second, out)).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(me(&app, &second).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_no_group_with_a_role_is_told_so_and_it_is_noted() {
    let (double, app) = started(&[ROLES]).await;
    for groups in [json!([]), json!(null), json!(["SOC", "all"]), json!({"soc": true}), json!(7)] {
        double.told.lock().claims = json!({ "groups": groups });
        double.told.lock().userinfo = Some(json!({"sub": "subject-7"}));
        let response = Browser::new(&app).signs_in(&double).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN, "{groups}");
        assert_eq!(cookies(&response).len(), 1, "only the way back is over");
        let page = body(response).await;
        assert!(
            page.contains("You signed in as ada, who may do nothing here: ask an administrator"),
            "{page}"
        );
    }
    let refused = noted(&app, 5).await;
    assert_eq!(refused.len(), 5, "{refused:#?}");
    let reason = refused[0].details.reason.as_ref().unwrap().to_string();
    assert!(reason.starts_with("You signed in as ada, who may do nothing here"), "{reason}");
    // The next one counts: nobody is kept out for what others were refused.
    double.told.lock().claims = json!({ "groups": ["ops", "soc"] });
    let cookie = Browser::new(&app).session(&double).await;
    let rights = Role::Operator.rights().or(Role::Analyst.rights());
    assert_eq!(me(&app, &cookie).await.1["rights"], json!(rights));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_becomes_the_owner_of_an_account_by_its_name() {
    let (double, app) = started(&[ROLES]).await;
    let early = Browser::new(&app).session(&double).await;
    add(&app, "Ada", Role::Admin).await;
    assert_eq!(me(&app, &early).await.0, StatusCode::UNAUTHORIZED, "the name is the account's now");
    let response = Browser::new(&app).signs_in(&double).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let page = body(response).await;
    assert!(page.contains("You signed in as ada, and an account here has that name"), "{page}");
    assert!(
        matches!(&noted(&app, 2).await[0].object, memdeck_model::audit::AuditObject::User { name } if name == "ada")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_roles_the_account_of_that_name_decides() {
    let (double, app) = started(&[("OIDC_USER_CLAIM", "email")]).await;
    double.told.lock().claims = json!({"email": "Ada@example.org", "groups": ["/all"]});
    assert_eq!(Browser::new(&app).signs_in(&double).await.status(), StatusCode::FORBIDDEN, "no account");
    add(&app, "ada@example.org", Role::Operator).await;
    let cookie = Browser::new(&app).session(&double).await;
    let (_, told) = me(&app, &cookie).await;
    assert_eq!(
        (&told["name"], &told["role"], &told["elsewhere"]),
        (&json!("ada@example.org"), &json!("operator"), &Value::Null)
    );
    let kept_out = AccountChange { disabled: Some(true), ..AccountChange::default() };
    app.accounts.change_account(&"ada@example.org".parse().unwrap(), kept_out, &trusted()).await.unwrap();
    assert_eq!(me(&app, &cookie).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(Browser::new(&app).signs_in(&double).await.status(), StatusCode::FORBIDDEN, "kept out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_here_that_is_called_as_one_there_limits_its_members_to_its_guests() {
    let (double, app) = started(&[ROLES]).await;
    let group = NewGroup { name: "soc".parse().unwrap(), guests: vec!["web-*".parse().unwrap()] };
    app.accounts.add_group(group, &trusted()).await.unwrap();
    let cookie = Browser::new(&app).session(&double).await;
    let (_, guests) = answer(&app.dashboard, with(&cookie, get("/api/guests"))).await;
    let told = guests.to_string();
    assert!(told.contains("web-01") && !told.contains("db-01"), "{told}");
    assert_eq!(me(&app, &cookie).await.1["role"], "analyst");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_token_leaves_out_is_asked_for() {
    let (double, app) = started(&[ROLES, ("OIDC_GROUPS_CLAIM", "realm_access.roles")]).await;
    double.told.lock().claims = json!({"preferred_username": null, "groups": null});
    let more = json!({"sub": "subject-7", "preferred_username": "grace", "realm_access": {"roles": ["ops"]}});
    double.told.lock().userinfo = Some(more);
    let cookie = Browser::new(&app).session(&double).await;
    let (_, told) = me(&app, &cookie).await;
    assert_eq!((&told["name"], &told["role"]), (&json!("grace"), &json!("operator")));
    for (more, status, said) in [
        (
            Some(json!({"sub": "somebody else", "preferred_username": "grace"})),
            502,
            "does not say more about you",
        ),
        (None, 502, "does not say more about you"),
        (Some(json!({"sub": "subject-7", "preferred_username": "<b>"})), 401, "no name that memdeck takes"),
    ] {
        double.told.lock().userinfo = more;
        let response = Browser::new(&app).signs_in(&double).await;
        assert_eq!(response.status().as_u16(), status, "{said}");
        let page = body(response).await;
        assert!(page.contains(said), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_the_provider_has_changed_are_asked_for_once() {
    let (double, app) = started(&[ROLES]).await;
    Browser::new(&app).session(&double).await;
    Browser::new(&app).session(&double).await;
    assert_eq!(double.told.lock().asked["/jwks"], 1, "kept");
    double.told.lock().seed = 2;
    Browser::new(&app).session(&double).await;
    assert_eq!(double.told.lock().asked["/jwks"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn below_a_path_and_behind_a_proxy_the_browser_comes_back_there() {
    let double = Double::start(NOW_S).await;
    let behind = [ROLES, ("MEMDECK_BEHIND_PROXY", "127.0.0.1"), ("MEMDECK_BASE_PATH", "/ops/memdeck")];
    let http = http(&double.settings(&behind)).unwrap();
    let app = TestApp::start_with(http.clone());
    let routes = below(app.dashboard.clone(), &http);
    let response = send(&routes, get("/ops/memdeck/sign-in/oidc?next=/vms")).await;
    let page = Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
    let back = double.let_in(&page);
    let uri = "https://127.0.0.1:8000/ops/memdeck/sign-in/oidc/callback";
    assert!(page.query_pairs().any(|(name, value)| name == "redirect_uri" && value == uri), "{page}");
    let cookie = cookies(&response).remove(0);
    assert!(cookie.starts_with("__Host-memdeck_oidc="), "{cookie}");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=600"), "{cookie}");
    let response = send(&routes, with(cookie.split(';').next().unwrap(), get(&back))).await;
    assert_eq!(response.headers()["location"], "/ops/memdeck/vms");
    assert!(cookies(&response)[0].starts_with("__Host-memdeck_session="));

    let (_, page) = text(&routes, get("/ops/memdeck/sign-in?next=/vms")).await;
    assert!(page.contains(r#"href="/ops/memdeck/sign-in/oidc?next=%2Fvms""#), "{page}");
}
