//! How a webhook proves that it is from this memdeck: the signature of the Standard Webhooks specification
//! (<https://www.standardwebhooks.com>), so that receivers have a library for it.
//!
//! Signed is `id.timestamp.body` with HMAC-SHA256. The time stamp is that of the try, so an old message cannot be sent again
//! by somebody else.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use memdeck_model::Message;
use memdeck_model::SentSecret;
use memdeck_model::notice::NoticeMessage;
use memdeck_operations::Undelivered;
use sha2::Sha256;

/// Before a secret that is written in base64.
const PREFIX: &str = "whsec_";
/// A shorter one could be guessed.
const LEAST_BYTES: usize = 16;

pub(crate) fn headers(
    message: &NoticeMessage,
    body: &str,
    secret: Option<&SentSecret>,
) -> Result<Vec<(&'static str, String)>, Undelivered> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut headers = vec![("webhook-id", message.id.clone()), ("webhook-timestamp", now.to_string())];
    if let Some(secret) = secret {
        let key = key(secret.expose()).map_err(Undelivered::refused)?;
        headers.push(("webhook-signature", signature(&key, &message.id, now, body)));
    }
    Ok(headers)
}

/// The key that a secret stands for: base64 behind `whsec_`, else its own bytes.
pub(crate) fn key(secret: &str) -> Result<Vec<u8>, Message> {
    let key = match secret.strip_prefix(PREFIX) {
        Some(base64) => STANDARD
            .decode(base64)
            .map_err(|_| Message::from("the secret begins with whsec_, but what follows is no base64"))?,
        None => secret.as_bytes().to_vec(),
    };
    if key.len() < LEAST_BYTES {
        return Err(Message::new(format!(
            "the secret is shorter than {LEAST_BYTES} bytes: it could be guessed"
        )));
    }
    Ok(key)
}

fn signature(key: &[u8], id: &str, timestamp: u64, body: &str) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body.as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn the_signature_is_that_of_the_specification() {
        let key = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed =
            signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_that_could_be_guessed_or_read_wrongly_is_refused() {
        for secret in ["", "s3cret", "whsec_MTIz", "whsec_not base64!"] {
            let error = key(secret).unwrap_err().to_string();
            assert!(secret.is_empty() || !error.contains(secret), "{error}");
        }
        assert_eq!(key("0123456789abcdef").unwrap(), b"0123456789abcdef");
    }
}
