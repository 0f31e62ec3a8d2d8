//! A provider that lies where a test wants it to: what a true one would never answer. It checks what it is sent as a true one
//! does.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Form, Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use openidconnect::core::{CoreEdDsaPrivateSigningKey, CoreHmacKey, CoreJsonWebKey, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKeyId, PrivateSigningKey as _};
use parking_lot::Mutex;
use reqwest::Url;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub const CLIENT: &str = "memdeck";
pub const SECRET: &str = "a secret of some length";

/// What it answers in place of a token.
pub type Answer = fn() -> Response;
/// What it answers in place of its description, of this issuer.
pub type Description = fn(&str) -> Response;

/// By what a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    Rightly,
    /// By a key of another name.
    ByUnknownKey,
    /// By another key of the same name.
    ByAnother,
    /// By nothing: `alg: none`.
    Not,
    /// `HS256`, with the public key that everybody can read as the secret.
    WithPublicKey,
}

/// What it does, and knows.
pub struct Told {
    /// Of the next token, over those that make it a right one; `null` takes one out.
    pub claims: Value,
    pub signed: Signed,
    /// Answered in place of a token.
    pub token_answer: Option<Answer>,
    /// Answered in place of its description.
    pub description: Option<Description>,
    /// What more it says of somebody.
    pub userinfo: Option<Value>,
    /// Which of its keys it uses.
    pub seed: u8,
    /// The query of the page to which a browser was sent, by the code it got there.
    codes: HashMap<String, HashMap<String, String>>,
    made: u32,
    /// How often each path was asked for.
    pub asked: HashMap<String, u32>,
}

#[derive(Clone)]
pub struct Double {
    pub issuer: String,
    pub told: Arc<Mutex<Told>>,
    now_s: i64,
}

impl Double {
    /// Answers on loopback, at a clock that shows `now_s`.
    pub async fn start(now_s: i64) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let double = Self::at(listener.local_addr().unwrap(), now_s);
        tokio::spawn(axum::serve(listener, double.routes()).into_future());
        double
    }

    /// The one that will answer there.
    pub fn at(address: SocketAddr, now_s: i64) -> Self {
        let told = Told {
            claims: json!({}),
            signed: Signed::Rightly,
            token_answer: None,
            description: None,
            userinfo: None,
            seed: 1,
            codes: HashMap::new(),
            made: 0,
            asked: HashMap::new(),
        };
        Self { issuer: format!("http://{address}"), told: Arc::new(Mutex::new(told)), now_s }
    }

    pub fn routes(&self) -> Router {
        Router::new()
            .route("/.well-known/openid-configuration", get(describe))
            .route("/jwks", get(keys))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .layer(axum::middleware::from_fn_with_state(self.clone(), count))
            .with_state(self.clone())
    }

    /// The settings of a memdeck whose people sign in here.
    pub fn settings<'a>(&'a self, further: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut all = vec![
            ("MEMDECK_TOKEN", super::TOKEN),
            ("OIDC_ISSUER", self.issuer.as_str()),
            ("OIDC_CLIENT_ID", CLIENT),
            ("OIDC_CLIENT_SECRET", SECRET),
        ];
        all.extend_from_slice(further);
        all
    }

    /// Lets a browser that was sent to `page` in: the path and query with which it goes back.
    pub fn let_in(&self, page: &Url) -> String {
        let asked: HashMap<String, String> = page.query_pairs().into_owned().collect();
        let mut told = self.told.lock();
        let code = format!("code-{}", told.made);
        told.made += 1;
        let mut back = Url::parse(&asked["redirect_uri"]).unwrap();
        back.query_pairs_mut().extend_pairs([
            ("code", code.as_str()),
            ("state", asked["state"].as_str()),
            ("iss", self.issuer.as_str()),
        ]);
        told.codes.insert(code, asked);
        format!("{}?{}", back.path(), back.query().unwrap())
    }

    fn description(&self) -> Value {
        let at = |path: &str| format!("{}{path}", self.issuer);
        json!({
            "issuer": self.issuer,
            "authorization_endpoint": at("/auth"),
            "token_endpoint": at("/token"),
            "jwks_uri": at("/jwks"),
            "userinfo_endpoint": at("/userinfo"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["EdDSA", "HS256", "none"],
        })
    }

    fn token(&self, told: &Told, nonce: &str) -> String {
        let mut claims = json!({
            "iss": self.issuer, "sub": "subject-7", "aud": CLIENT, "nonce": nonce, "iat": self.now_s,
            "exp": self.now_s + 300, "preferred_username": "ada", "groups": ["soc"],
        });
        let all = claims.as_object_mut().unwrap();
        for (name, value) in told.claims.as_object().unwrap() {
            if value.is_null() {
                all.remove(name)
            } else {
                all.insert(name.clone(), value.clone())
            };
        }
        let kid = if told.signed == Signed::ByUnknownKey { "other" } else { "one" };
        let alg = match told.signed {
            Signed::Not => "none",
            Signed::WithPublicKey => "HS256",
            _ => "EdDSA",
        };
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": alg, "kid": kid})), part(&claims));
        let by = |seed: u8| key(seed).sign(&CoreJwsSigningAlgorithm::EdDsa, signed.as_bytes()).unwrap();
        let signature = match told.signed {
            Signed::Rightly => by(told.seed),
            Signed::ByUnknownKey | Signed::ByAnother => by(99),
            Signed::Not => Vec::new(),
            Signed::WithPublicKey => {
                let public = serde_json::to_value(public(told.seed)).unwrap();
                let public = BASE64_URL_SAFE_NO_PAD.decode(public["x"].as_str().unwrap()).unwrap();
                CoreHmacKey::new(public)
                    .sign(&CoreJwsSigningAlgorithm::HmacSha256, signed.as_bytes())
                    .unwrap()
            }
        };
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }
}

/// A key of Ed25519, as RFC 8410 writes it.
fn key(seed: u8) -> CoreEdDsaPrivateSigningKey {
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend([seed; 32]);
    let pem =
        format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", BASE64_STANDARD.encode(der));
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, Some(JsonWebKeyId::new("one".to_owned()))).unwrap()
}

fn public(seed: u8) -> CoreJsonWebKey {
    key(seed).as_verification_key()
}

async fn count(State(double): State<Double>, request: Request, next: axum::middleware::Next) -> Response {
    *double.told.lock().asked.entry(request.uri().path().to_owned()).or_default() += 1;
    next.run(request).await
}

async fn describe(State(double): State<Double>) -> Response {
    match double.told.lock().description {
        Some(answer) => answer(&double.issuer),
        None => Json(double.description()).into_response(),
    }
}

async fn keys(State(double): State<Double>) -> Json<Value> {
    Json(json!({ "keys": [public(double.told.lock().seed)] }))
}

async fn token(
    State(double): State<Double>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let refused = |why: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": why }))).into_response();
    let mut told = double.told.lock();
    if let Some(answer) = told.token_answer {
        return answer();
    }
    let secret = BASE64_STANDARD.encode(format!("{CLIENT}:{}", SECRET.replace(' ', "+")));
    if headers[AUTHORIZATION] != format!("Basic {secret}") {
        return refused("invalid_client");
    }
    // Each code is good for one exchange.
    let Some(asked) = told.codes.remove(&form["code"]) else { return refused("invalid_grant") };
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    let is_its = asked["code_challenge_method"] == "S256"
        && asked["code_challenge"] == challenge
        && asked["redirect_uri"] == form["redirect_uri"];
    if !is_its {
        return refused("invalid_grant");
    }
    let id_token = double.token(&told, &asked["nonce"]);
    Json(json!({ "access_token": "an-access-token", "token_type": "Bearer", "id_token": id_token }))
        .into_response()
}

async fn userinfo(State(double): State<Double>, headers: HeaderMap) -> Response {
    if headers[AUTHORIZATION] != "Bearer an-access-token" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match &double.told.lock().userinfo {
        Some(told) => Json(told.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// An answer that goes elsewhere.
pub fn elsewhere() -> Response {
    (StatusCode::FOUND, [(LOCATION, "http://127.0.0.1:9/")]).into_response()
}

/// More than any provider has to say.
pub fn huge() -> Response {
    let body = format!("{{\"x\": \"{}\"}}", "x".repeat(2 << 20));
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
