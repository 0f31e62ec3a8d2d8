//! For tests: an authority of time stamps, which is the program `openssl` with keys of its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

const CONFIGURATION: &str = "\
[tsa]
default_tsa = one
[one]
serial = serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
tsa_name = no
ess_cert_id_alg = sha256
";
/// What the certificate of an authority must say.
pub const FOR_TIME_STAMPS: &str = "extendedKeyUsage=critical,timeStamping";

/// An authority.
pub struct TestAuthority {
    dir: TempDir,
}

impl TestAuthority {
    /// One whose key is of that kind, as `openssl genpkey -algorithm` takes it, with a certificate that says `usage` and is vouched
    /// for by a root through as many others.
    ///
    /// # Panics
    /// There is no program `openssl`, or it refuses.
    #[must_use]
    pub fn new(key: &str, usage: &str, between: usize) -> Self {
        let authority = Self { dir: tempfile::tempdir().unwrap() };
        authority.make("root", key, "CN=root", None);
        let mut issuer = "root".to_owned();
        for number in 0..between {
            let name = format!("between-{number}");
            authority.make(
                &name,
                key,
                &format!("CN={name}"),
                Some((&issuer, "basicConstraints=critical,CA:TRUE")),
            );
            issuer = name;
        }
        authority.make("tsa", key, "O=memdeck tests, CN=tsa.example", Some((&issuer, usage)));
        // Many authorities send more than anybody needs.
        authority.make("bystander", key, "CN=bystander", None);
        let chain: String =
            (0..between).map(|number| authority.read(&format!("between-{number}.pem"))).collect();
        fs::write(
            authority.dir.path().join("chain.pem"),
            chain + &authority.read("root.pem") + &authority.read("bystander.pem"),
        )
        .unwrap();
        fs::write(authority.dir.path().join("tsa.cnf"), CONFIGURATION).unwrap();
        fs::write(authority.dir.path().join("serial"), "01").unwrap();
        authority
    }

    /// The certificate that vouches for it, in PEM.
    #[must_use]
    pub fn root_pem(&self) -> String {
        self.read("root.pem")
    }

    /// One of the certificates between, the root's side first, in PEM.
    #[must_use]
    pub fn between_pem(&self, number: usize) -> String {
        self.read(&format!("between-{number}.pem"))
    }

    /// Its own certificate, in PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        self.read("tsa.pem")
    }

    /// Its answer to a request.
    ///
    /// # Panics
    /// `openssl` fails.
    #[must_use]
    pub fn answer(&self, request: &[u8]) -> Vec<u8> {
        let (query, reply) = (self.dir.path().join("query"), self.dir.path().join("reply"));
        fs::write(&query, request).unwrap();
        let args =
            ["ts", "-reply", "-config", "tsa.cnf", "-section", "one", "-queryfile", "query", "-signer"];
        self.openssl(
            &[&args[..], &["tsa.pem", "-inkey", "tsa.key", "-chain", "chain.pem", "-out", "reply"]].concat(),
        );
        fs::read(reply).unwrap()
    }

    fn make(&self, name: &str, key: &str, subject: &str, issued_by: Option<(&str, &str)>) {
        let (secret, certificate) = (format!("{name}.key"), format!("{name}.pem"));
        let kind: Vec<&str> = key.split(' ').collect();
        self.openssl(&[&["genpkey", "-out", &secret, "-algorithm"][..], &kind].concat());
        let subject = format!("/{}", subject.replace(", ", "/"));
        let request =
            ["req", "-x509", "-new", "-key", &secret, "-out", &certificate, "-days", "2", "-subj", &subject];
        match issued_by {
            None => self.openssl(&request),
            Some((by, extension)) => {
                let (ca, ca_key) = (format!("{by}.pem"), format!("{by}.key"));
                let issuer = ["-CA", &ca, "-CAkey", &ca_key, "-addext", extension];
                // Without it every certificate is one of an authority for certificates.
                let leaf: &[&str] = if extension.starts_with("basic") {
                    &[]
                } else {
                    &["-addext", "basicConstraints=critical,CA:FALSE"]
                };
                self.openssl(&[&request[..], &issuer, leaf].concat());
            }
        }
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.dir.path().join(name)).unwrap()
    }

    fn openssl(&self, args: &[&str]) {
        openssl(self.dir.path(), args);
    }
}

/// Runs `openssl` in a directory.
///
/// # Panics
/// It is not there, or fails.
pub fn openssl(dir: &Path, args: &[&str]) {
    let ran = Command::new("openssl").current_dir(dir).args(args).output().unwrap();
    assert!(ran.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&ran.stderr));
}
