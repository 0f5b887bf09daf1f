//! How this program calls others over HTTP.

use reqwest::ClientBuilder;

/// What every client begins with.
pub fn client() -> ClientBuilder {
    install_tls();
    ClientBuilder::new()
}

/// TLS by rustls and ring: for every client of the process.
pub fn install_tls() {
    // Fails when it was installed before, which is just as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
