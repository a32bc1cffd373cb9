use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::{Master, master};

/// An open page.
pub(super) struct Page {
    lines: tokio::io::Lines<BufReader<TcpStream>>,
    last_id: String,
}

impl Page {
    /// A page whose connection is closed after its stream.
    pub(super) async fn open_once(master: &Master, query: &str) -> Self {
        let mut stream = TcpStream::connect(&master.served.address).await.unwrap();
        let ask = format!(
            "GET /api/v1/live{query} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(ask.as_bytes()).await.unwrap();
        Self { lines: BufReader::new(stream).lines(), last_id: String::new() }
    }

    pub(super) async fn open(master: &Master, query: &str, last_id: &str) -> Self {
        let mut stream = TcpStream::connect(&master.served.address).await.unwrap();
        let resume = match last_id {
            "" => String::new(),
            id => format!("last-event-id: {id}\r\n"),
        };
        let ask = format!("GET /api/v1/live{query} HTTP/1.1\r\nhost: localhost\r\n{resume}\r\n");
        stream.write_all(ask.as_bytes()).await.unwrap();
        Self { lines: BufReader::new(stream).lines(), last_id: last_id.to_string() }
    }

    /// The next event and its data.
    pub(super) async fn next(&mut self) -> (String, Value) {
        let mut event = String::new();
        loop {
            let line = self.lines.next_line();
            let line = tokio::time::timeout(Duration::from_secs(10), line).await;
            let line = line.expect("nothing is told").unwrap().expect("the stream has ended");
            if let Some(id) = line.strip_prefix("id: ") {
                self.last_id = id.to_string();
            } else if let Some(name) = line.strip_prefix("event: ") {
                event = name.to_string();
            } else if let Some(data) = line.strip_prefix("data: ") {
                return (event, serde_json::from_str(data).unwrap());
            }
        }
    }

    /// Reads to the end of the stream, of whatever else it still tells.
    pub(super) async fn ended(&mut self) {
        let to_the_end = async { while self.lines.next_line().await.unwrap().is_some() {} };
        tokio::time::timeout(Duration::from_secs(20), to_the_end).await.expect("it goes on");
    }
}

#[tokio::test]
async fn a_page_sees_the_whole_run_and_then_what_changes() {
    let master = master().await;
    let run = master.running().await;
    let mut page = Page::open(&master, "", "").await;
    let (event, data) = page.next().await;
    assert_eq!((event.as_str(), &data["doc"]["run"]["run"]), ("snapshot", &json!(run)));
    assert_eq!(data["doc"]["fleet"]["workers"]["w1"]["capacity"], 500);
    assert_eq!(data["doc"]["fleet"]["leader"], "m1");
    assert_eq!(data["points"]["columns"][5], "rps");
    let (event, delta) = page.next().await;
    assert_eq!(event, "delta");
    assert!(delta["patch"]["run"]["elapsed_seconds"].is_number(), "{delta}");
    assert!(delta["patch"]["run"].get("scenario").is_none(), "what did not change: {delta}");
}

#[tokio::test]
async fn a_page_that_comes_back_gets_only_what_it_missed() {
    let master = master().await;
    let run = master.running().await;
    let mut page = Page::open(&master, "", "").await;
    page.next().await;
    let seen = page.last_id.clone();
    page.next().await;
    drop(page);
    let mut back = Page::open(&master, "", &seen).await;
    assert_eq!(back.next().await.0, "delta");
    let mut strange = Page::open(&master, &format!("?run={run}"), &seen).await;
    assert_eq!(strange.next().await.0, "snapshot", "an id of another stream means nothing");
}

#[tokio::test]
async fn a_stop_is_seen_on_open_pages() {
    let master = master().await;
    let run = master.running().await;
    let mut page = Page::open(&master, "", "").await;
    page.next().await;
    master.post("/api/v1/runs/current/stop", &json!({"mode": "now"})).await;
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    loop {
        let (_, data) = page.next().await;
        let state = &data["patch"]["runs"][&run]["state"];
        if state == "finished" {
            break;
        }
        assert!(tokio::time::Instant::now() < until, "{data}");
    }
}
