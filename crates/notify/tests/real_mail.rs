//! Mail through a real Postfix on loopback, with a certificate of its own and STARTTLS.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use memdeck_model::notice::{NoticeMessage, TargetAddress};
use memdeck_notify::NetworkCourier;
use memdeck_operations::Courier as _;
use serde_json::json;
use tempfile::TempDir;

const MASTER: &str = "\
127.0.0.1:PORT inet n - n - - smtpd
postlog unix-dgram n - n - 1 postlogd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
tlsmgr unix - - n 1000? 1 tlsmgr
virtual unix - n n - - virtual
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
";

/// A Postfix with queue, configuration and mailboxes of its own. Takes mail for `x.example` only.
struct Postfix {
    dir: TempDir,
    port: u16,
    /// The authority that its certificate is from: itself.
    ca_pem: String,
}

impl Postfix {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let ca_pem = certificate.cert.pem();
        let root = dir.path();
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["conf", "queue", "data", "mail"] {
            fs::create_dir(root.join(name)).unwrap();
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        chown(root.join("data"), Some(id_of("postfix")), None).unwrap();
        let nobody = id_of("nobody");
        chown(root.join("mail"), Some(nobody), None).unwrap();
        fs::write(root.join("cert.pem"), &ca_pem).unwrap();
        fs::write(root.join("key.pem"), certificate.signing_key.serialize_pem()).unwrap();
        let at = root.display();
        let main = format!(
            "compatibility_level = 3.6\nqueue_directory = {at}/queue\ndata_directory = {at}/data\n\
             command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\n\
             maillog_file = {at}/log\nmaillog_file_prefixes = {at}\n\
             inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = localhost\nmydestination =\n\
             alias_maps =\nalias_database =\nlocal_recipient_maps =\n\
             virtual_mailbox_domains = x.example\nvirtual_mailbox_base = {at}/mail\n\
             virtual_mailbox_maps = static:ops/\nvirtual_uid_maps = static:{nobody}\n\
             virtual_gid_maps = static:{nobody}\nvirtual_minimum_uid = 1\n\
             smtpd_tls_security_level = encrypt\nsmtpd_tls_cert_file = {at}/cert.pem\n\
             smtpd_tls_key_file = {at}/key.pem\nsmtpd_recipient_restrictions = reject_unauth_destination\n"
        );
        fs::write(root.join("conf/main.cf"), main).unwrap();
        fs::write(root.join("conf/master.cf"), MASTER.replace("PORT", &port.to_string())).unwrap();
        let postfix = Self { dir, port, ca_pem };
        postfix.call("start");
        until("Postfix answers", || std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        postfix
    }

    fn call(&self, what: &str) {
        let conf = self.dir.path().join("conf");
        let called = Command::new("/usr/sbin/postfix").arg("-c").arg(conf).arg(what).output().unwrap();
        assert!(called.status.success(), "postfix {what}: {}", String::from_utf8_lossy(&called.stderr));
    }

    fn target(&self, change: impl Fn(&mut serde_json::Value)) -> TargetAddress {
        let mut address = json!({
            "kind": "email", "server": "localhost", "port": self.port, "security": "starttls",
            "from": "memdeck@x.example", "to": ["ops@x.example"], "ca_pem": self.ca_pem,
        });
        change(&mut address);
        serde_json::from_value(address).unwrap()
    }

    /// The first letter that arrived.
    fn letter(&self) -> String {
        let inbox = self.dir.path().join("mail/ops/new");
        until("a letter arrives", || {
            let file = fs::read_dir(&inbox).ok()?.next()?.unwrap();
            Some(fs::read_to_string(file.path()).unwrap())
        })
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        let conf = self.dir.path().join("conf");
        let _ = Command::new("/usr/sbin/postfix").arg("-c").arg(conf).arg("stop").output();
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{what}: not within 30 s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The number of a user of this machine.
fn id_of(user: &str) -> u32 {
    let users = fs::read_to_string(Path::new("/etc/passwd")).unwrap();
    let line = users.lines().find(|line| line.split(':').next() == Some(user));
    let line = line.unwrap_or_else(|| panic!("there is no user {user}: run scripts/setup test"));
    line.split(':').nth(2).unwrap().parse().unwrap()
}

fn message() -> NoticeMessage {
    serde_json::from_str(
        r#"{"id": "m1", "at": "2026-11-14T08:58:23Z", "notices": [{"id": "n1", "at": "2026-11-14T08:58:23Z",
            "severity": "critical", "event": {"kind": "dump_failed", "dump_id": "d1", "detail": "no room",
            "guest": {"name": "web-01"}}}]}"#,
    )
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_arrives_as_mail_through_a_real_server_with_starttls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let postfix = tokio::task::spawn_blocking(Postfix::start).await.unwrap();
    let courier = NetworkCourier::default();

    // A certificate that nobody vouches for, and a name that it is not for.
    let unknown = postfix.target(|address| address["ca_pem"] = serde_json::Value::Null);
    let failure = courier.deliver(&unknown, &message()).await.unwrap_err();
    assert!(!failure.is_refusal, "{failure}");
    let other_name = postfix.target(|address| address["server"] = "127.0.0.1".into());
    courier.deliver(&other_name, &message()).await.unwrap_err();
    // Without TLS the server takes nothing, and an address elsewhere it does not take at all.
    let plain = postfix.target(|address| address["security"] = "none".into());
    courier.deliver(&plain, &message()).await.unwrap_err();
    let elsewhere = postfix.target(|address| address["to"] = json!(["ops@elsewhere.example"]));
    let failure = courier.deliver(&elsewhere, &message()).await.unwrap_err();
    assert!(failure.is_refusal, "{failure}");

    courier.deliver(&postfix.target(|_| {}), &message()).await.unwrap();
    let letter = tokio::task::spawn_blocking(move || (postfix.letter(), postfix)).await.unwrap().0;
    assert!(letter.contains("Subject: [memdeck] Dump failed: web-01\n"), "{letter}");
    assert!(letter.contains("Message-ID: <m1@x.example>\n"), "{letter}");
    assert!(letter.contains("with ESMTPS"), "over TLS: {letter}");
    assert!(letter.contains("the dump of web-01 failed: no room"), "{letter}");
}
