use serde_json::json;

use super::{coordinator, master};
use crate::ops::{Ops, Role};
use crate::site::Site;
use crate::testing::served;

#[tokio::test]
async fn a_scenario_is_uploaded_listed_fetched_and_deleted() {
    let master = master().await;
    let (status, info) = master.upload("/api/v1/scenarios?name=../shop.wasm", "fine one").await;
    assert_eq!(
        (status, &info["file_name"], &info["name"]),
        (201, &json!("shop.wasm"), &json!("shop"))
    );
    assert_eq!(info["user_types"][0]["tasks"][0]["name"], "browse");
    let digest = info["digest"].as_str().unwrap();
    let (_, second) = master.upload("/api/v1/scenarios?name=shop.wasm", "fine two").await;
    let (_, list) = master.get("/api/v1/scenarios").await;
    assert_eq!(list["scenarios"].as_array().unwrap().len(), 2, "versions side by side: {second}");
    let path = format!("/api/v1/scenarios/{digest}");
    assert_eq!(master.get(&path).await, (200, info.clone()));
    assert_eq!(master.get(&format!("{path}/module")).await, (200, json!("fine one")));
    assert_eq!(master.send("DELETE", &path, &json!({})).await.0, 204);
    let (status, refusal) = master.get(&path).await;
    assert_eq!((status, &refusal["code"]), (404, &json!("unknown-scenario")));
}

#[tokio::test]
async fn a_faulty_scenario_is_shown_with_its_faults_and_not_kept() {
    let master = master().await;
    let (status, refusal) = master.upload("/api/v1/scenarios?name=x.wasm", "rubbish").await;
    assert_eq!((status, &refusal["code"]), (422, &json!("faulty-scenario")));
    assert_eq!(refusal["faults"][0]["message"], "it is no component");
    assert_eq!(master.get("/api/v1/scenarios").await.1, json!({"scenarios": []}));
}

#[tokio::test]
async fn forms_can_bring_files_too() {
    let master = master().await;
    let form = "content-type: multipart/form-data; boundary=x\r\n";
    // More than other bodies may have.
    let rows = "ann,1\n".repeat(400_000);
    let body = format!(
        "--x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"users.csv\"\r\n\r\n\
         user,pin\n{rows}\r\n--x--\r\n"
    );
    let (status, text) = master.served.ask("POST", "/api/v1/data-sets", form, &body).await;
    assert_eq!(status, 201, "{text}");
    let (_, list) = master.get("/api/v1/data-sets").await;
    assert_eq!(list["data_sets"][0]["name"], "users.csv");
}

#[tokio::test]
async fn rows_are_read_shown_and_deleted() {
    let master = master().await;
    let (status, info) =
        master.upload("/api/v1/data-sets?name=users.csv", "user,pin\nann,1\n").await;
    assert_eq!(
        (status, &info["rows"], &info["columns"]),
        (201, &json!(1), &json!(["user", "pin"]))
    );
    let path = format!("/api/v1/data-sets/{}", info["digest"].as_str().unwrap());
    assert_eq!(master.get(&path).await.1["preview"], json!([["ann", "1"]]));
    let (status, refusal) = master.upload("/api/v1/data-sets?name=users.csv", "\"").await;
    assert_eq!((status, &refusal["faults"][0]["code"]), (422, &json!("malformed")), "{refusal}");
    assert_eq!(master.send("DELETE", &path, &json!({})).await.0, 204);
    assert_eq!(master.get(&path).await.0, 404);
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_came() {
    let master = master().await;
    let length = "content-type: application/wasm\r\nx-filler: y\r\ncontent-length: 99999999999\r\n";
    let path = "/api/v1/scenarios";
    let (status, body) = master.served.ask_raw("POST", path, length, "x").await;
    assert!(status == 413 && body.contains("too-large"), "{status} {body}");
}

#[tokio::test]
async fn a_process_with_one_scenario_says_so() {
    let (handle, stop) = coordinator().await;
    let folder = tempfile::tempdir().unwrap();
    let site = super::site(handle.clone(), folder.path());
    let site = Site::single_run(handle.clone(), site.shelf);
    let served = served(Ops::new(Role::Master(handle)).with_site(site)).await;
    let (status, refusal) =
        served.post("/api/v1/plans", &json!({"scenario": "0".repeat(64)})).await;
    assert_eq!((status, &refusal["code"]), (409, &json!("single-run")));
    let (status, session) = served.get("/api/v1/session").await;
    assert!(status == 200 && session.contains("\"single_run\":true"), "{session}");
    stop.cancel();
    served.stop.cancel();
}
