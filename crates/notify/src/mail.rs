//! Mail, through the server of the operator.

use lettre::message::Mailbox;
use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use memdeck_model::notice::{MailSecurity, MailTarget, NoticeMessage};
use memdeck_model::{Message, with_causes};
use memdeck_operations::Undelivered;

use crate::http::NO_CERTIFICATE;
use crate::limits::CONNECT;
use crate::shape;

/// The most addresses of a target: more belong into a list of the mail server.
const MAX_ADDRESSES: usize = 50;
/// Longer subjects are cut.
const MAX_SUBJECT: usize = 200;

/// Says that a program wrote it, so that no absence note answers.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

pub(crate) fn check(mail: &MailTarget) -> Result<(), Message> {
    if mail.server.is_empty() || mail.server.chars().any(|c| c.is_whitespace() || c.is_control() || c == '/')
    {
        return Err("the mail server must be a host name, without a scheme and a port".into());
    }
    if mail.port == Some(0) {
        return Err("the port of the mail server must be 1 to 65535".into());
    }
    mailbox(&mail.from)?;
    if !(1..=MAX_ADDRESSES).contains(&mail.to.len()) {
        return Err(Message::new(format!("mail goes to 1 to {MAX_ADDRESSES} addresses")));
    }
    mail.to.iter().try_for_each(|to| mailbox(to).map(drop))?;
    if mail.user.is_some() != mail.password.is_some() {
        return Err("an account of a mail server has a user and a password: name both or none".into());
    }
    if mail.security == MailSecurity::None && mail.password.is_some() {
        return Err("a password is sent only where there is TLS: choose starttls or tls".into());
    }
    if let Some(pem) = &mail.ca_pem {
        authorities(pem)?;
    }
    Ok(())
}

fn mailbox(address: &str) -> Result<Mailbox, Message> {
    address.parse().map_err(|_| {
        let shown: String = address.chars().filter(|c| !c.is_control()).take(100).collect();
        Message::new(format!("'{shown}' is no address of mail"))
    })
}

fn authorities(pem: &str) -> Result<Vec<Certificate>, Message> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
        .map(|der| {
            Certificate::from_der(der.map_err(|_| NO_CERTIFICATE)?.to_vec()).map_err(|_| NO_CERTIFICATE)
        })
        .collect::<Result<Vec<_>, _>>()?;
    if certificates.is_empty() { Err(NO_CERTIFICATE.into()) } else { Ok(certificates) }
}

pub(crate) async fn send(mail: &MailTarget, message: &NoticeMessage) -> Result<(), Undelivered> {
    let letter = letter(mail, message).map_err(Undelivered::refused)?;
    let configured = mail.clone();
    // It reads the machine's certificates.
    let transport = tokio::task::spawn_blocking(move || transport(&configured)).await;
    let transport = transport.map_err(|_| Undelivered::passing("no connection could be prepared"))?;
    let transport = transport.map_err(Undelivered::refused)?;
    transport.send(letter).await.map(drop).map_err(|error| {
        let detail = format!("{}: {}", mail.server, with_causes(&error));
        if error.is_permanent() { Undelivered::refused(detail) } else { Undelivered::passing(detail) }
    })
}

fn letter(mail: &MailTarget, message: &NoticeMessage) -> Result<lettre::Message, Message> {
    let from = mailbox(&mail.from)?;
    let domain = from.email.domain().to_owned();
    let subject: String = format!("[memdeck] {}", message.title()).chars().take(MAX_SUBJECT).collect();
    let mut letter = lettre::Message::builder()
        .from(from)
        .subject(subject)
        // The same for every try, so that a reader sees a second copy as the same letter.
        .message_id(Some(format!("<{}@{domain}>", message.id)))
        .header(AutoSubmitted)
        .header(ContentType::TEXT_PLAIN);
    for to in &mail.to {
        letter = letter.to(mailbox(to)?);
    }
    letter
        .body(shape::mail_text(message))
        .map_err(|error| Message::new(format!("the letter cannot be written: {}", with_causes(&error))))
}

fn transport(mail: &MailTarget) -> Result<AsyncSmtpTransport<Tokio1Executor>, Message> {
    let tls = |parameters: fn(TlsParameters) -> Tls| -> Result<Tls, Message> {
        let mut builder = TlsParameters::builder(mail.server.clone());
        if let Some(pem) = &mail.ca_pem {
            builder = builder.certificate_store(CertificateStore::None);
            for authority in authorities(pem)? {
                builder = builder.add_root_certificate(authority);
            }
        }
        let made = builder.build_rustls();
        made.map(parameters).map_err(|error| Message::new(format!("no TLS: {}", with_causes(&error))))
    };
    let tls = match mail.security {
        MailSecurity::Starttls => tls(Tls::Required)?,
        MailSecurity::Tls => tls(Tls::Wrapper)?,
        MailSecurity::None => Tls::None,
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(mail.server.clone())
        .port(mail.port.unwrap_or(mail.security.usual_port()))
        .timeout(Some(CONNECT))
        .tls(tls);
    if let (Some(user), Some(password)) = (&mail.user, &mail.password) {
        builder = builder.credentials(Credentials::new(user.clone(), password.expose().to_owned()));
    }
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(change: impl Fn(&mut MailTarget)) -> Result<(), String> {
        let json =
            r#"{"server": "mail.example", "from": "memdeck <memdeck@x.example>", "to": ["ops@x.example"]}"#;
        let mut mail: MailTarget = serde_json::from_str(json).unwrap();
        change(&mut mail);
        check(&mail).map_err(|error| error.to_string())
    }

    #[test]
    fn what_no_mail_can_be_sent_with_is_refused() {
        assert_eq!(mail(|_| {}), Ok(()));
        let wrong: [fn(&mut MailTarget); 8] = [
            |mail| mail.server = "smtp://mail.example".to_owned(),
            |mail| mail.server = String::new(),
            |mail| mail.from = "nobody".to_owned(),
            |mail| mail.to = vec!["a@x.example\r\nBcc: b@x.example".to_owned()],
            |mail| mail.to = Vec::new(),
            |mail| mail.user = Some("me".to_owned()),
            |mail| {
                mail.user = Some("me".to_owned());
                mail.password = Some("s3cret".to_owned().into());
                mail.security = MailSecurity::None;
            },
            |mail| mail.ca_pem = Some("s3cret".to_owned()),
        ];
        for (place, wrong) in wrong.into_iter().enumerate() {
            let error = mail(wrong).expect_err(&format!("{place}"));
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_letter_has_one_name_for_every_try_and_a_subject_on_one_line() {
        let json = r#"{"server": "mail.example", "from": "memdeck@x.example", "to": ["ops@x.example"]}"#;
        let target: MailTarget = serde_json::from_str(json).unwrap();
        let message: NoticeMessage = serde_json::from_str(
            r#"{"id": "m1", "at": "2026-11-14T08:58:23Z", "notices": [{"id": "n1", "at": "2026-11-14T08:58:23Z",
                "severity": "critical", "event": {"kind": "dump_failed", "dump_id": "d1", "detail": "größe",
                "guest": {"name": "web\r\nBcc: all@x.example"}}}]}"#,
        )
        .unwrap();
        let written = String::from_utf8(letter(&target, &message).unwrap().formatted()).unwrap();
        assert!(written.contains("Message-ID: <m1@x.example>\r\n"), "{written}");
        assert!(written.contains("Auto-Submitted: auto-generated\r\n"), "{written}");
        assert!(!written.contains("\nBcc:"), "{written}");
    }
}
