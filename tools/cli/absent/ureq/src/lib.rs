//! As much of ureq as worker-build's download calls, and every call fails:
//! this project gives worker-build each program it would look for.

use std::io::{Empty, Error, Result, empty};

pub struct Agent;

impl Agent {
    pub fn config_builder() -> Self {
        Self
    }
    pub fn tls_config(self, _: tls::TlsConfig) -> Self {
        self
    }
    pub fn build(self) -> Self {
        self
    }
    pub fn new_agent(self) -> Self {
        self
    }
    pub fn get(self, _url: &str) -> Self {
        self
    }
    pub fn call(self) -> Result<Response> {
        Err(Error::other("worker-build may not download anything here"))
    }
}

pub struct Response;

impl Response {
    pub fn body_mut(&mut self) -> &mut Self {
        self
    }
    pub fn as_reader(&mut self) -> Empty {
        empty()
    }
}

pub mod tls {
    pub struct TlsConfig;

    impl TlsConfig {
        pub fn builder() -> Self {
            Self
        }
        pub fn provider(self, _: TlsProvider) -> Self {
            self
        }
        pub fn root_certs(self, _: RootCerts) -> Self {
            self
        }
        pub fn build(self) -> Self {
            self
        }
    }

    pub enum TlsProvider {
        NativeTls,
    }

    pub enum RootCerts {
        PlatformVerifier,
    }
}
