//! Each call of the SDK once, against the demo shop; a check says whether the host did its part.

use loadhost_sdk::prelude::*;

#[derive(Params)]
struct Given {
    #[param(default = "1.5s")]
    span: Duration,
    left_out: Option<u32>,
    #[param(default = -2.5)]
    number: f64,
}

#[derive(Default)]
struct Caller;

#[user]
impl Caller {
    #[task]
    fn call(&mut self, given: &Given, me: &Context) -> Outcome {
        check("parameters", given.span == secs(1.5) && given.number == -2.5);
        check("an optional parameter", given.left_out.is_none());
        check("identity", me.worker.1 > 0 && !me.run_id.is_empty());
        several_at_once()?;
        bodies()?;
        cookies_and_verdicts()?;
        measures()
    }

    /// What all users share.
    #[task]
    fn share(&mut self) -> Outcome {
        let row = rows("users").next()?;
        let brief = rows("users").only(["age"]).next()?;
        check("only what is asked for", brief.get("name").is_none() && brief.get("age").is_some());
        let unknown = rows("user").next();
        check("no such data set", matches!(unknown, Err(Failure::AbortRun(_))));
        check("no such column", rows("users").only(["nam"]).next().is_err());
        let number = unique_number("order")?;
        let sum = shared_counter("sold").add(2)?;
        check("a counter is read", shared_counter("sold").value()? == sum);
        let met = rendezvous("sale", 2).within(secs(5.0))?;
        info!("{} of {}: {number} {sum} {met}", &row["name"], row.read::<u32>("age")?);
        Ok(())
    }
}

fn several_at_once() -> Outcome {
    let item = || get("/item/{id}").with(3);
    let sent = batch([item(), get("/status/{code}").with(503), get("/")]);
    let statuses: Vec<_> = sent.iter().map(|answer| answer.as_ref().map(|a| a.status)).collect();
    check(
        "batch",
        matches!(statuses.as_slice(), [Ok(200), Err(e), Ok(200)] if e.status() == Some(503)),
    );
    let fetched = fetch_all([item(), get("/items")]);
    check("fetch_all", fetched.into_iter().all(|answer| answer.is_ok_and(|a| a.contains("price"))));
    Ok(())
}

fn bodies() -> Outcome {
    let text = post("/echo").text("{x} {{y}} ü").header("X-A", "{b}").fetch()?;
    check("text", text.text() == "{x} {{y}} ü");
    check("bytes", post("/echo").bytes([0, 255, 1]).fetch()?.bytes() == [0, 255, 1]);
    let form =
        Multipart::new().text("a", "b").file("f", "x.bin", "application/octet-stream", [1, 2]);
    check("multipart", post("/echo").multipart(form).fetch()?.contains("x.bin"));
    let json = put("/echo").json(&json!({ "a": { "b": [1, "two"] } })).expect_json("/a/b/1", "two");
    let json = json.expect_contains("two").timeout(secs(5.0)).fetch()?;
    check("json pointer", json.json_at::<String>("/a/b/1")? == "two");
    check("no json there", json.json_at::<u32>("/c").is_err());
    check("header", json.header("CONTENT-TYPE").is_some_and(|kind| kind.contains("json")));
    check("all headers", !json.headers().is_empty() && json.timings().len() == 6);
    check("decompression", get("/gzip").fetch()?.contains("compressed"));
    Ok(())
}

fn cookies_and_verdicts() -> Outcome {
    post("/login").form([("user", "a b&c"), ("password", "secret")]).send()?;
    check("cookie of an answer", cookie("/", "session").is_some());
    set_cookie("/", "theme=dark; Path=/")?;
    check("cookie of one's own", cookie("/", "theme").as_deref() == Some("dark"));
    clear_cookies();
    check("no cookies", cookie("/", "session").is_none());
    check("status of an error", post("/checkout").send().is_err_and(|e| e.status() == Some(401)));
    post("/checkout").catch()?.mark_succeeded();
    get("/").catch()?.mark_failed("just so");
    check("redirects", get("/redirect/2").fetch()?.url().ends_with("/redirect/0"));
    get("/redirect/2").max_redirects(0).expect_status(302).send()?;
    check("timeout", get("/slow?ms=300").timeout(millis(50)).send().is_err());
    check("a bad header", get("/").header("bad name", "x").send().is_err());
    Ok(())
}

fn measures() -> Outcome {
    let before = elapsed();
    group("outer", || group("inner", || get("/").name("home").tag("kind", "x").send()))?;
    sleep(millis(5))?;
    check("time passes", elapsed() - before >= millis(5));
    counter("added").tag("a", 1).add(2);
    gauge("level").add(3.5);
    rate("good").add(false);
    trend("span").unit("ms").add(millis(7));
    info!("{} {:?} {}", range(0..10), pick(&[1, 2]), chance(0.5));
    Ok(())
}

export!(Caller; data = ["users"]);
