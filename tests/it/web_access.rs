//! Who may reach a master's page and API, and how.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use loadhost_tests::{Process, Program, eventually};
use reqwest::{Certificate, Client, ClientBuilder, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(60);
const PASSWORD: &str = "correct horse battery";

/// A lone master, which stays.
struct Master {
    process: Process,
    url: String,
    _folder: TempDir,
}

impl Master {
    fn start(args: &[&str]) -> Result<Master> {
        let program = Program::new(["master"])?.args(args);
        let (mut process, folder) = program.spawn()?;
        let url = process.word_after("listening on ", SOON)?;
        process.word_after("leading (term ", SOON)?;
        Ok(Master { process, url: url.trim_end_matches('/').to_string(), _folder: folder })
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Everything that it wrote.
    fn log(&self) -> String {
        self.process.stderr()
    }
}

fn builder() -> ClientBuilder {
    // Without a provider installed, building the client would panic.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().no_proxy().timeout(Duration::from_secs(20))
}

fn client() -> Result<Client> {
    Ok(builder().build()?)
}

/// `loadhost user ARGS --web-users FILE`, with a password on its standard input; what it printed.
fn user(file: &Path, args: &[&str]) -> Result<String> {
    let mut child = Command::new(Program::path()?)
        .arg("user")
        .args(args)
        .arg("--web-users")
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no stdin")?;
    std::io::Write::write_all(&mut stdin, format!("{PASSWORD}\n").as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{args:?}: {said}");
    Ok(String::from_utf8(output.stdout)?)
}

/// A users file with `olga`, who operates, `victor`, who looks, and a token `ci`, which operates.
fn users(folder: &TempDir) -> Result<(std::path::PathBuf, String)> {
    let file = folder.path().join("users.toml");
    user(&file, &["add", "olga", "--role", "operate", "--password-stdin"])?;
    user(&file, &["add", "victor", "--role", "view", "--password-stdin"])?;
    let token = user(&file, &["token", "ci", "--role", "operate"])?;
    Ok((file, token.trim().to_string()))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The cookie of a login.
async fn log_in(http: &Client, master: &Master, name: &str) -> Result<String> {
    let body = json!({"user": name, "password": PASSWORD});
    let answer = http.post(master.at("/api/v1/session")).json(&body).send().await?;
    ensure!(answer.status() == 200, "{}", answer.text().await?);
    let cookie = answer.headers()["set-cookie"].to_str()?.to_string();
    ensure!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    Ok(cookie.split(';').next().unwrap_or_default().to_string())
}

#[tokio::test]
async fn a_master_of_this_machine_needs_no_login_and_answers_no_foreign_page() -> Result<()> {
    let master = Master::start(&["--listen", "127.0.0.1:0"])?;
    let http = client()?;
    let session: Value = http.get(master.at("/api/v1/session")).send().await?.json().await?;
    ensure!(session["login_required"] == false && session["role"] == "admin", "{session}");
    ensure!(http.get(master.at("/api/v1/state")).send().await?.status() == 200);
    let rebound = http.get(master.at("/api/v1/state")).header("host", "evil.example");
    ensure!(rebound.send().await?.status() == StatusCode::MISDIRECTED_REQUEST);
    let foreign =
        http.delete(master.at("/api/v1/workers/w1/drain")).header("origin", "http://evil.example");
    ensure!(foreign.send().await?.status() == StatusCode::FORBIDDEN);
    let page = http.get(master.at("/")).send().await?;
    let policy = page.headers()["content-security-policy"].to_str()?;
    ensure!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    Ok(())
}

#[test]
fn beyond_this_machine_nobody_listens_without_a_login() -> Result<()> {
    let refused = Program::new(["master", "--listen", "0.0.0.0:0"])?.run()?.expect_code(104)?;
    refused.expect_said(&["--web-users", "--insecure-no-auth", "127.0.0.1"])?;
    let master = Master::start(&["--listen", "0.0.0.0:0", "--insecure-no-auth"])?;
    ensure!(master.url.contains("0.0.0.0:"), "{}", master.url);
    Ok(())
}

#[test]
fn what_would_let_nobody_in_is_refused_at_once() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (file, _) = users(&folder)?;
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
    for (args, said) in [
        (vec!["--web-users", text(&file)], "chmod 600"),
        (vec!["--web-users", "missing.toml"], "loadhost user add"),
        (vec!["--tls-cert", "cert.pem"], "--tls-key"),
        (vec!["--tls-cert", "cert.pem", "--tls-key", "key.pem"], "cert.pem"),
        (vec!["--web-base-path", "load host"], "/loadhost"),
        (vec!["--trusted-proxy", "127.0.0.1"], "--web-users"),
        (vec!["--trusted-proxy", "proxy.example", "--insecure-no-auth"], "10.0.0.0/8"),
        (vec!["--trusted-proxy", "0.0.0.0/0", "--insecure-no-auth"], "everybody"),
    ] {
        let program = Program::new(["master", "--listen", "127.0.0.1:0"])?.args(args);
        program.run()?.expect_code(104)?.expect_said(&[said])?;
    }
    Ok(())
}

#[tokio::test]
async fn behind_a_trusted_proxy_it_is_the_client_who_is_noted_and_whose_cookie_is_secure()
-> Result<()> {
    let folder = tempfile::tempdir()?;
    let (file, _) = users(&folder)?;
    let file = text(&file);
    let listen = ["--listen", "127.0.0.1:0", "--web-users", file, "--trusted-proxy"];
    for (proxy, from, is_secure) in
        [("127.0.0.1,10.0.0.0/8", "192.0.2.7", true), ("10.0.0.0/8", "127.0.0.1", false)]
    {
        let master = Master::start(&[&listen[..], &[proxy]].concat())?;
        let login = json!({"user": "olga", "password": PASSWORD});
        let asked = client()?.post(master.at("/api/v1/session")).json(&login);
        let asked = asked.header("x-forwarded-for", "198.51.100.1, 192.0.2.7, 10.0.0.9");
        let answer = asked.header("x-forwarded-proto", "https").send().await?;
        let cookie = answer.headers()["set-cookie"].to_str()?.to_string();
        ensure!(cookie.contains("; Secure") == is_secure, "{cookie}");
        eventually(SOON, async || {
            let log = master.log();
            ensure!(
                log.contains(&format!("from={from} ")) || log.contains(&format!("from={from}\n")),
                "{log}"
            );
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn one_logs_in_by_password_or_token_and_each_change_is_noted() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (file, token) = users(&folder)?;
    let master = Master::start(&["--listen", "127.0.0.1:0", "--web-users", text(&file)])?;
    let http = client()?;
    for (path, status) in [("/", 200), ("/health", 200), ("/metrics", 401), ("/api/v1/state", 401)]
    {
        ensure!(http.get(master.at(path)).send().await?.status() == status, "{path}");
    }
    let wrong = json!({"user": "olga", "password": "wrong-and-secret"});
    let answer = http.post(master.at("/api/v1/session")).json(&wrong).send().await?;
    ensure!(answer.status() == 401, "{}", answer.text().await?);

    let stop = master.at("/api/v1/runs/current/stop");
    let body = json!({"mode": "graceful"});
    for (name, status) in [("victor", 403), ("olga", 404)] {
        let cookie = log_in(&http, &master, name).await?;
        let look = http.get(master.at("/api/v1/state")).header("cookie", &cookie);
        ensure!(look.send().await?.status() == 200, "{name}");
        let own = http.post(&stop).json(&body).header("cookie", &cookie);
        let own = own.header("sec-fetch-site", "same-origin").send().await?;
        ensure!(own.status() == status, "{name}: {}", own.text().await?);
        let foreign = http.post(&stop).json(&body).header("cookie", &cookie);
        let foreign = foreign.header("sec-fetch-site", "cross-site").send().await?;
        ensure!(foreign.status() == 403, "{name}");
    }
    let by_token = http.post(&stop).json(&body).bearer_auth(&token).send().await?;
    ensure!(by_token.status() == 404, "there is no run: {}", by_token.text().await?);
    ensure!(http.get(master.at("/metrics")).bearer_auth(&token).send().await?.status() == 200);
    Program::new(["status", "--url", &master.url, "--token", &token])?.run()?.expect_code(0)?;

    let lines = [
        "wrong user or password",
        "who=\"olga\"",
        "who=\"ci\"",
        "why=\"role-too-small\"",
        "status=404",
    ];
    let log = eventually(SOON, async || {
        let log = master.log();
        for line in lines {
            ensure!(log.contains(line), "no {line} in\n{log}");
        }
        Ok(log)
    })
    .await?;
    for secret in [PASSWORD, "wrong-and-secret", &token, "session="] {
        ensure!(!log.contains(secret), "{secret} in\n{log}");
    }
    // What holds in the file holds here a moment later.
    user(&file, &["remove", "ci"])?;
    eventually(SOON, async || {
        let status = http.get(master.at("/metrics")).bearer_auth(&token).send().await?.status();
        ensure!(status == 401, "{status}");
        Ok(())
    })
    .await?;
    for _ in 0..12 {
        http.post(master.at("/api/v1/session")).json(&wrong).send().await?;
    }
    let slowed = http.post(master.at("/api/v1/session")).json(&wrong).send().await?;
    ensure!(slowed.status() == 429 && slowed.headers().contains_key("retry-after"));
    Ok(())
}

/// Writes a certificate for this machine with its key; the certificate.
fn certify(folder: &Path) -> Result<Certificate> {
    let names = vec!["localhost".to_string(), "127.0.0.1".to_string()];
    let made = rcgen::generate_simple_self_signed(names)?;
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())?;
    std::fs::write(folder.join("cert.pem"), made.cert.pem())?;
    Ok(Certificate::from_pem(made.cert.pem().as_bytes())?)
}

async fn speaks(certificate: Certificate, master: &Master) -> Result<()> {
    let http = builder().tls_certs_only([certificate]).build()?;
    let answer = http.request(Method::GET, master.at("/health")).send().await?;
    ensure!(answer.status() == 200);
    Ok(())
}

#[tokio::test]
async fn https_is_served_below_a_base_path_and_certificates_are_renewed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (file, _) = users(&folder)?;
    let first = certify(folder.path())?;
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let master = Master::start(&[
        "--listen",
        "127.0.0.1:0",
        "--tls-cert",
        text(&cert),
        "--tls-key",
        text(&key),
        "--web-users",
        text(&file),
        "--web-base-path",
        "/load/host",
    ])?;
    ensure!(
        master.url.starts_with("https://") && master.url.ends_with("/load/host"),
        "{}",
        master.url
    );
    speaks(first.clone(), &master).await?;
    let stranger = Program::new(["status", "--url", &master.url])?.run()?.expect_code(102)?;
    stranger.expect_said(&["certificate", "is not trusted", "`--ca FILE`"])?;

    let none = reqwest::redirect::Policy::none();
    let http = builder().tls_certs_only([first.clone()]).redirect(none).build()?;
    let bare = http.get(&master.url).send().await?;
    ensure!(bare.status() == 308 && bare.headers()["location"] == "/load/host/");
    ensure!(http.get(master.at("/")).send().await?.status() == 200);
    let body = json!({"user": "olga", "password": PASSWORD});
    let answer = http.post(master.at("/api/v1/session")).json(&body).send().await?;
    let cookie = answer.headers()["set-cookie"].to_str()?;
    ensure!(cookie.starts_with("__Secure-") && cookie.contains("Path=/load/host;"), "{cookie}");

    let plain = client()?.get(master.at("/").replace("https:", "http:")).send().await?;
    ensure!(plain.status() == 400 && plain.text().await?.contains("https://"));

    let second = certify(folder.path())?;
    eventually(SOON, async || speaks(second.clone(), &master).await).await?;
    ensure!(speaks(first, &master).await.is_err(), "the first one is still shown");
    Ok(())
}
