//! The certificate of a server that speaks TLS.

use std::{
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use super::ServerError;

/// A self-signed certificate for this machine, and its key, in PEM.
///
/// Made by `openssl`, so that who doesn't ask for TLS compiles nothing for it. On an elliptic
/// curve: that takes milliseconds, an RSA key seconds.
#[derive(Clone, Debug)]
pub(super) struct Certificate {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

impl Certificate {
    pub(super) fn make(folder: &Path) -> Result<Self, ServerError> {
        let made = Self { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        let output = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"])
            // A certificate of an authority would not do for a server.
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .arg("-keyout")
            .arg(&made.key)
            .arg("-out")
            .arg(&made.certificate)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => ServerError::NoOpenssl,
                _ => ServerError::NotStarted(Arc::new(error)),
            })?;
        if output.status.success() {
            Ok(made)
        } else {
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().last().unwrap_or("nothing said").to_owned();
            Err(ServerError::NoCertificate(last))
        }
    }
}
