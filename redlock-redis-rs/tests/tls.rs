//! `rediss://`, with certificates made for the test.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "a panic in a test is the failure")]

mod common;

use std::{env, fs, path::PathBuf, process};

use common::{RETURN, resource, until, votes};
use redlock_core::{Delivery, FailureKind, Inspection, LockNode};
use redlock_redis_rs::{RedisNode, redis};
use redlock_testkit::server::{Options, Server};

/// A server that speaks TLS on a port of its own, and the certificate to trust it by.
struct Tls {
    server: Server,
    port: String,
    certificate: Vec<u8>,
    folder: PathBuf,
}

impl Tls {
    fn start(name: &str) -> Self {
        let folder = env::temp_dir().join(format!("redlocks-tls-{}-{name}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = |file: &str| folder.join(file).to_str().unwrap().to_owned();
        let (key, certificate) = (path("key.pem"), path("cert.pem"));
        let made = process::Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
            .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost"])
            // A certificate of an authority would not do for a server.
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .args(["-keyout", &key, "-out", &certificate])
            .output()
            .expect("openssl is needed to make a certificate: install it");
        assert!(made.status.success(), "{made:?}");
        let port = {
            // Free a moment ago, which has to do: the server has one port more than the harness
            // looks after.
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port().to_string()
        };
        let server = Options::new()
            .args(["--tls-port", &port, "--tls-auth-clients", "no"])
            .args(["--tls-cert-file", &certificate, "--tls-key-file", &key])
            .args(["--tls-ca-cert-file", &certificate])
            .start()
            .unwrap();
        Self { server, port, certificate: fs::read(&certificate).unwrap(), folder }
    }

    fn url(&self) -> String {
        format!("rediss://localhost:{}", self.port)
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_an_error_and_no_panic() {
    let tls = Tls::start("unknown");
    let node = RedisNode::open(&tls.url()).unwrap();
    let error = node.inspect(&resource("r")).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unreachable, "{error}");
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(error.to_string().contains("certificate"), "{error}");
}

#[tokio::test]
async fn a_client_with_its_own_certificates_votes_and_votes_again_after_a_restart() {
    let mut tls = Tls::start("known");
    let certificates =
        redis::TlsCertificates { client_tls: None, root_cert: Some(tls.certificate.clone()) };
    let client = redis::Client::build_with_tls(tls.url(), certificates).unwrap();
    let node = RedisNode::from_client(client);
    assert_eq!(node.label(), format!("localhost:{}/0", tls.port));
    assert_eq!(node.inspect(&resource("r")).await.unwrap(), Inspection::Free);
    assert!(votes(&node).await);
    assert!(node.identity().is_some());
    tls.server.restart().unwrap();
    until(RETURN, || votes(&node)).await;
}
