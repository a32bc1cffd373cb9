//! The demo shop, whose own counts are the truth that tests compare with.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{Process, Program};

/// A running `loadhost demo-shop` on a free port.
pub struct Shop {
    url: String,
    _process: Process,
    _folder: tempfile::TempDir,
    client: reqwest::Client,
}

impl Shop {
    /// Starts one with these flags.
    pub fn start(args: &[&str]) -> Result<Shop> {
        let program = Program::new(["demo-shop", "--listen", "127.0.0.1:0"])?.args(args);
        let (mut process, folder) = program.spawn()?;
        let address = process.word_after("http://", Duration::from_secs(10))?;
        // Without a provider installed, building the client would panic.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Shop {
            url: format!("http://{}", address.trim_end_matches('/')),
            _process: process,
            _folder: folder,
            client: reqwest::Client::builder().no_proxy().build()?,
        })
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Everything it counted.
    pub async fn stats(&self) -> Result<Value> {
        let answer = self.client.get(format!("{}/_stats", self.url)).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// Requests that it served in all, its own pages not counted.
    pub async fn requests(&self) -> Result<u64> {
        let stats = self.stats().await?;
        stats["requests"].as_u64().with_context(|| format!("no count in {stats}"))
    }
}
