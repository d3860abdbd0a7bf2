//! `rediss://`, with certificates made for the test.

use std::{env, fs, path::PathBuf, process, sync::Arc};

use futures::StreamExt;
use redlock_core::{Delivery, FailureKind, Inspection, LockNode};
use redlock_fred::{
    FredNode,
    fred::types::config::{Config, ServerConfig, TlsConnector},
};
use redlock_testkit::server::{Options, Server};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::time::timeout;

use crate::common::{PATIENCE, RETURN, resource, until, votes};

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
    let node = FredNode::open(&tls.url()).unwrap();
    let error = node.inspect(&resource("r")).await.unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unreachable, "{error}");
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(error.to_string().contains("Certificate"), "{error}");
}

/// A configuration of the library that trusts this certificate alone.
fn trusting(tls: &Tls) -> Config {
    let mut trusted = rustls::RootCertStore::empty();
    trusted.add(CertificateDer::from_pem_slice(&tls.certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let settings = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let server = ServerConfig::new_centralized("localhost", tls.port.parse().unwrap());
    Config { server, tls: Some(TlsConnector::from(settings).into()), ..Config::default() }
}

#[tokio::test]
async fn a_configuration_with_its_own_certificates_votes_and_votes_again_after_a_restart() {
    let mut tls = Tls::start("known");
    let node = FredNode::from_config(trusting(&tls)).unwrap();
    assert_eq!(node.label(), format!("localhost:{}/0", tls.port));
    assert_eq!(node.inspect(&resource("r")).await.unwrap(), Inspection::Free);
    assert!(votes(&node).await);
    assert!(node.identity().is_some());
    let (name, notifications) = (resource("r"), node.notifications().unwrap());
    let mut notices = notifications.subscribe(&name).await.unwrap();
    notifications.notify(&name).await.unwrap();
    assert!(timeout(PATIENCE, notices.next()).await.unwrap().is_some());
    tls.server.restart().unwrap();
    assert!(timeout(PATIENCE, notices.next()).await.unwrap().is_none());
    until(RETURN, || votes(&node)).await;
    until(RETURN, || async { notifications.subscribe(&name).await.is_ok() }).await;
}

#[tokio::test]
async fn a_server_without_tls_is_unreachable_by_it() {
    let tls = Tls::start("plain");
    let server = ServerConfig::new_centralized("localhost", tls.server.port());
    let node = FredNode::from_config(Config { server, ..trusting(&tls) }).unwrap();
    let error = node.inspect(&resource("r")).await.unwrap_err();
    assert_ne!(error.kind(), FailureKind::Other, "{error}");
    assert_eq!(error.delivery(), Delivery::NotSent);
}
