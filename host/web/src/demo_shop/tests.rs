//! The shop over real connections.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::{Settings, serve};

struct Running {
    address: String,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

async fn shop(settings: Settings) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let task = tokio::spawn(serve(listener, settings, stop.clone()));
    Running { address, stop, task }
}

impl Running {
    /// Everything that comes back for one request on a connection of its own.
    async fn raw(&self, request: &str) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(&self.address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        let read = async {
            // An endless answer is believed after a while.
            while answer.len() < 4 << 20 && stream.read_buf(&mut answer).await? > 0 {}
            Ok::<_, std::io::Error>(())
        };
        tokio::time::timeout(Duration::from_secs(5), read).await.unwrap()?;
        Ok(answer)
    }

    /// Status, head and body.
    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> (u16, String, String) {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: shop\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        );
        let answer = self.raw(&request).await.unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_string(), body.to_string())
    }

    async fn stats(&self) -> Value {
        serde_json::from_str(&self.ask("GET", "/_stats", "", "").await.2).unwrap()
    }
}

#[tokio::test]
async fn a_customer_logs_in_fills_a_cart_and_checks_out() {
    let shop = shop(Settings::default()).await;
    assert_eq!(shop.ask("POST", "/checkout", "", "").await.0, 401);
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    assert_eq!(shop.ask("POST", "/login", form, "user=ada&password=wrong").await.0, 401);
    let (status, head, _) = shop.ask("POST", "/login", form, "user=ada&password=secret").await;
    assert_eq!(status, 200);
    let cookie = head.split("session=").nth(1).unwrap().split(';').next().unwrap();
    let cookie = format!("Cookie: other=1; session={cookie}\r\n");
    assert_eq!(shop.ask("POST", "/checkout", &cookie, "").await.0, 409);
    let (status, _, body) =
        shop.ask("POST", "/cart", &cookie, r#"{"item": 3, "quantity": 2}"#).await;
    assert_eq!(
        (status, serde_json::from_str::<Value>(&body).unwrap()["items"].clone()),
        (200, json!(2))
    );
    assert_eq!(shop.ask("POST", "/checkout", &cookie, "").await.0, 201);
    assert_eq!(shop.ask("POST", "/checkout", &cookie, "").await.0, 409);

    let stats = shop.stats().await;
    assert_eq!(stats["requests"], 7);
    assert_eq!(stats["paths"]["POST /checkout"]["count"], 4);
    assert_eq!(stats["paths"]["POST /checkout"]["statuses"], json!({"201": 1, "401": 1, "409": 2}));
    assert_eq!(stats["paths"]["POST /checkout"]["failures"], 3);
    assert_eq!(stats["connections"]["total"], 8);
}

#[tokio::test]
async fn home_is_200_bytes_of_json() {
    let shop = shop(Settings::default()).await;
    let (status, _, body) = shop.ask("GET", "/", "", "").await;
    assert_eq!((status, body.len()), (200, 200));
    serde_json::from_str::<Value>(&body).unwrap();
}

#[tokio::test]
async fn broken_answers_are_broken_on_the_wire() {
    let shop = shop(Settings::default()).await;
    let of = async |fault: &str| {
        shop.raw(&format!("GET /broken/{fault} HTTP/1.1\r\nHost: shop\r\n\r\n")).await
    };
    let truncated = String::from_utf8(of("truncated").await.unwrap()).unwrap();
    assert!(truncated.contains("Content-Length: 1000"));
    assert_eq!(truncated.split_once("\r\n\r\n").unwrap().1.len(), 100);
    assert_eq!(of("close").await.unwrap(), b"");
    assert!(of("garbage").await.unwrap().starts_with(b"\x16\x03\x01"));
    assert!(String::from_utf8(of("chunked").await.unwrap()).unwrap().contains("\r\nzz\r\n"));
    assert_eq!(
        of("length").await.unwrap().windows(15).filter(|part| part == b"Content-Length:").count(),
        2
    );
    assert!(of("header").await.unwrap().len() > 1 << 20);
    assert!(of("endless").await.unwrap().len() >= 4 << 20);
    let reset = of("reset").await.unwrap_err();
    assert_eq!(reset.kind(), std::io::ErrorKind::ConnectionReset);
    // Each was counted all the same.
    assert_eq!(shop.stats().await["paths"]["GET /broken/{fault}"]["count"], 8);
}

#[tokio::test]
async fn settings_change_while_it_runs() {
    let shop = shop(Settings::default()).await;
    assert_eq!(shop.ask("GET", "/items", "", "").await.0, 200);
    assert_eq!(shop.ask("POST", "/_settings", "", r#"{"error_rate": 1}"#).await.0, 200);
    assert_eq!(shop.ask("GET", "/items", "", "").await.0, 500);
    let (status, _, body) = shop.ask("POST", "/_settings", "", r#"{"dely": "1s"}"#).await;
    assert_eq!(status, 400);
    assert!(body.contains("unknown field `dely`"), "{body}");
    assert_eq!(
        shop.ask("POST", "/_settings", "", r#"{"error_rate": 0, "delay": "50ms"}"#).await.0,
        200
    );
    shop.ask("POST", "/_reset", "", "").await;
    assert_eq!(shop.stats().await["requests"], 0);
    assert_eq!(shop.ask("GET", "/items", "", "").await.0, 200);
    assert!(shop.stats().await["paths"]["GET /items"]["p50_us"].as_u64().unwrap() >= 50_000);
}

#[tokio::test]
async fn oddities_answer_as_they_say() {
    let shop = shop(Settings::default()).await;
    assert_eq!(shop.ask("GET", "/status/418", "", "").await.0, 418);
    assert_eq!(shop.ask("GET", "/status/99", "", "").await.0, 404);
    assert!(shop.ask("GET", "/redirect/2", "", "").await.1.contains("location: /redirect/1"));
    assert!(shop.ask("GET", "/gzip", "", "").await.1.contains("content-encoding: gzip"));
    assert_eq!(shop.ask("POST", "/echo", "", "hello").await.2, "hello");
    assert_eq!(shop.ask("GET", "/item/1000", "", "").await.0, 200);
    assert_eq!(shop.ask("GET", "/item/1001", "", "").await.0, 404);
    assert_eq!(shop.ask("GET", "/login", "", "").await.0, 405);
    assert!(shop.ask("GET", "/nowhere", "", "").await.2.contains("/checkout"));
}

#[tokio::test]
async fn it_stops_even_if_an_answer_is_under_way() {
    let shop = shop(Settings::default()).await;
    let mut stream = TcpStream::connect(&shop.address).await.unwrap();
    stream.write_all(b"GET /slow?ms=60000 HTTP/1.1\r\nHost: shop\r\n\r\n").await.unwrap();
    shop.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(5), shop.task).await;
    ended.unwrap().unwrap().unwrap();
}
