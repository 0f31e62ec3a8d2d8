//! What stops the start, and what the sign-in page shows.

use axum::http::StatusCode;

use super::double::{CLIENT, SECRET};
use super::{ROLES, TOKEN};
use crate::support::{TestApp, get, http, send, text};

const PROVIDER: [(&str, &str); 4] = [
    ("MEMDECK_TOKEN", TOKEN),
    ("OIDC_ISSUER", "https://login.example/realms/ops"),
    ("OIDC_CLIENT_ID", CLIENT),
    ("OIDC_CLIENT_SECRET", SECRET),
];

#[test]
fn settings_that_would_say_nothing_stop_the_start_with_the_reason() {
    let [token, issuer, id, secret] = PROVIDER;
    for (set, reason) in [
        (vec![token, id, secret], "OIDC_CLIENT_ID is set and OIDC_ISSUER is not"),
        (vec![token, ROLES], "OIDC_ROLES is set and OIDC_ISSUER is not"),
        (vec![issuer, secret], "OIDC_ISSUER is set and OIDC_CLIENT_ID is not"),
        (vec![issuer, id], "OIDC_ISSUER is set and OIDC_CLIENT_SECRET is not"),
        (vec![("OIDC_ISSUER", "http://login.example"), id, secret], "http:// for this machine alone"),
        (
            vec![("OIDC_ISSUER", "https://me:pw@login.example"), id, secret],
            "an https:// URL without user name",
        ),
        (vec![("OIDC_ISSUER", "login.example"), id, secret], "an https:// URL"),
        (vec![issuer, id, secret, ("OIDC_ROLES", "soc=root")], "groups with the role of each"),
        (vec![issuer, id, secret, ("OIDC_ROLES", ",")], "groups with the role of each"),
        (vec![issuer, id, secret, ("OIDC_SCOPES", "openid \"x\"")], "scopes separated by spaces"),
        (vec![issuer, id, secret, ("OIDC_CA", "/nowhere.pem")], "OIDC_CA is /nowhere.pem: it cannot be read"),
        (vec![issuer, id, secret, ("OIDC_CA", "/etc/hostname")], "there is no PEM certificate in it"),
        (
            vec![("OIDC_ISSUER", "http://127.0.0.1:9"), id, secret, ("OIDC_CA", "/etc/hostname")],
            "OIDC_CA is set, and OIDC_ISSUER is not https://",
        ),
    ] {
        let error = http(&set).unwrap_err().to_string();
        assert!(error.contains(reason), "{set:?}: {error}");
        assert!(!error.contains(SECRET) && !error.contains("pw@"), "{error}");
    }
    let oidc = http(&PROVIDER).unwrap().oidc.unwrap();
    assert_eq!((oidc.name.as_str(), oidc.scopes.as_slice()), ("login.example", &["profile".to_owned()][..]));
    assert!(!format!("{oidc:?}").contains(SECRET));
    assert!(http(&[]).unwrap().oidc.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sign_in_page_names_the_provider_and_leads_there_first() {
    let named = [&PROVIDER[..], &[("OIDC_NAME", "<Ops> & \"friends\"")]].concat();
    let app = TestApp::start_with(http(&named).unwrap());
    let (status, page) = text(&app.dashboard, get("/sign-in?next=/vms")).await;
    assert_eq!(status, StatusCode::OK);
    let link = r#"<a class="button button-primary" href="/sign-in/oidc?next=%2Fvms">Sign in with &lt;Ops&gt; &amp; &quot;friends&quot;</a>"#;
    assert!(page.contains(link), "{page}");
    assert!(page.contains("Sign in with the token of this memdeck"), "{page}");
    assert!(page.find(link) < page.find(r#"name="token""#), "{page}");

    let without = TestApp::start_with(http(&PROVIDER[..1]).unwrap());
    let (_, page) = text(&without.dashboard, get("/sign-in")).await;
    assert!(!page.contains("oidc"), "{page}");
    for path in ["/sign-in/oidc", "/sign-in/oidc/callback?code=x&state=y"] {
        let (status, page) = text(&without.dashboard, get(path)).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(page.contains("Nobody signs in by OpenID Connect here"), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_need_not_sign_in_is_led_on() {
    let app = TestApp::start_with(http(&PROVIDER[1..]).unwrap());
    let response = send(&app.dashboard, get("/sign-in/oidc?next=/vms")).await;
    assert_eq!(
        (response.status(), &response.headers()["location"]),
        (StatusCode::SEE_OTHER, &"/vms".parse().unwrap())
    );
}
