//! What the shop answers on which path.

use std::io::Write;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::io::Connection;
use super::settings::Settings;
use super::store::{self, Refusal};
use super::{Shop, faults};

/// Bodies of requests are read up to here.
const MAX_BODY: usize = 1 << 20;

macro_rules! endpoints {
    ($($name:ident $path:literal $help:literal)*) => {
        /// A path of the shop; the names in reports come from this closed set.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Endpoint { $($name),* }

        impl Endpoint {
            pub(super) const ALL: &[Endpoint] = &[$(Endpoint::$name),*];

            pub(super) const fn name(self) -> &'static str {
                match self { $(Endpoint::$name => $path),* }
            }

            const fn help(self) -> &'static str {
                match self { $(Endpoint::$name => $help),* }
            }
        }
    };
}

endpoints! {
    Home "/" "200 bytes of JSON, as fast as possible"
    Login "/login" "POST user and password (`secret`), as JSON or form: sets the cookie `session`"
    Items "/items" "GET 20 items; ?page=2"
    Item "/item/{id}" "GET one of 1,000 items"
    Cart "/cart" "POST item and quantity; needs a session (401)"
    Checkout "/checkout" "POST; needs a session (401) and something in the cart (409); answers 201"
    Slow "/slow" "GET after ?ms=100"
    Status "/status/{code}" "any method, any status"
    Broken "/broken/{fault}" "truncated, reset, close, garbage, chunked, length, header, endless"
    Redirect "/redirect/{n}" "GET n redirects, then 200"
    Gzip "/gzip" "GET compressed JSON"
    Echo "/echo" "the request's body"
    Missing "(unknown)" "404"
    Stats "/_stats" "GET what the shop counted"
    Reset "/_reset" "POST forgets the counters"
    Settings "/_settings" "GET, or POST delay, jitter, error_rate, stall_every, stall_for, slow_paths"
}

impl Endpoint {
    pub(super) fn of(path: &str) -> Endpoint {
        let (first, rest) = path.get(1..).unwrap_or("").split_once('/').map_or_else(
            || (path.get(1..).unwrap_or(""), None),
            |(first, rest)| (first, Some(rest)),
        );
        match (first, rest) {
            ("", None) => Endpoint::Home,
            ("login", None) => Endpoint::Login,
            ("items", None) => Endpoint::Items,
            ("item", Some(_)) => Endpoint::Item,
            ("cart", None) => Endpoint::Cart,
            ("checkout", None) => Endpoint::Checkout,
            ("slow", None) => Endpoint::Slow,
            ("status", Some(_)) => Endpoint::Status,
            ("broken", Some(_)) => Endpoint::Broken,
            ("redirect", Some(_)) => Endpoint::Redirect,
            ("gzip", None) => Endpoint::Gzip,
            ("echo", None) => Endpoint::Echo,
            ("_stats", None) => Endpoint::Stats,
            ("_reset", None) => Endpoint::Reset,
            ("_settings", None) => Endpoint::Settings,
            _ => Endpoint::Missing,
        }
    }

    pub(super) fn index(self) -> usize {
        self as usize
    }

    pub(super) fn named(name: &str) -> Option<Endpoint> {
        Self::ALL.iter().copied().find(|endpoint| endpoint.name() == name)
    }

    pub(super) fn names() -> String {
        let names: Vec<_> = Self::ALL
            .iter()
            .filter(|endpoint| !endpoint.is_control())
            .map(|endpoint| endpoint.name())
            .collect();
        names.join(", ")
    }

    /// Not counted, never delayed.
    pub(super) fn is_control(self) -> bool {
        matches!(self, Endpoint::Stats | Endpoint::Reset | Endpoint::Settings)
    }
}

/// The last part of a path.
fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or("")
}

pub(super) async fn answer(
    shop: &Shop,
    endpoint: Endpoint,
    connection: &Connection,
    request: Request,
) -> Response {
    let path = request.uri().path();
    match endpoint {
        Endpoint::Home => home(),
        Endpoint::Login => only(Method::POST, request, |request| login(shop, request)).await,
        Endpoint::Items => items(query(&request, "page").unwrap_or(1)),
        Endpoint::Item => last(path)
            .parse()
            .ok()
            .and_then(store::item)
            .map_or_else(missing, |item| Json(item).into_response()),
        Endpoint::Cart => only(Method::POST, request, |request| cart(shop, request)).await,
        Endpoint::Checkout => only(Method::POST, request, |request| checkout(shop, request)).await,
        Endpoint::Slow => {
            let ms = query(&request, "ms").unwrap_or(100).min(600_000);
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Json(json!({ "slept_ms": ms })).into_response()
        }
        Endpoint::Status => last(path)
            .parse()
            .ok()
            .and_then(|code: u16| StatusCode::from_u16(code).ok().filter(|_| code >= 200))
            .map_or_else(missing, IntoResponse::into_response),
        Endpoint::Broken => faults::answer(last(path), connection).unwrap_or_else(missing),
        Endpoint::Redirect => redirect(last(path)),
        Endpoint::Gzip => gzip(),
        Endpoint::Echo => echo(request).await,
        _ => missing(),
    }
}

pub(super) async fn control(shop: &Shop, endpoint: Endpoint, request: Request) -> Response {
    match (endpoint, request.method()) {
        (Endpoint::Stats, _) => Json(shop.counters.report()).into_response(),
        (Endpoint::Reset, &Method::POST) => {
            shop.counters.reset();
            StatusCode::NO_CONTENT.into_response()
        }
        (Endpoint::Settings, &Method::POST) => change_settings(shop, request).await,
        (Endpoint::Settings, _) => Json(shop.mood.settings()).into_response(),
        _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "use POST"),
    }
}

/// Keys that are not given stay as they are.
async fn change_settings(shop: &Shop, request: Request) -> Response {
    let change = match json_body::<Value>(request).await {
        Ok(Value::Object(change)) => change,
        Ok(_) => {
            return refuse(
                StatusCode::BAD_REQUEST,
                "give a JSON object such as {\"delay\": \"5ms\"}",
            );
        }
        Err(response) => return response,
    };
    let Ok(Value::Object(mut merged)) = serde_json::to_value(shop.mood.settings()) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    merged.extend(change);
    let settings: Settings = match serde_json::from_value(Value::Object(merged)) {
        Ok(settings) => settings,
        Err(error) => return refuse(StatusCode::BAD_REQUEST, &error.to_string()),
    };
    if let Err(error) = settings.check() {
        return refuse(StatusCode::BAD_REQUEST, &error.to_string());
    }
    shop.mood.change(settings.clone());
    Json(settings).into_response()
}

/// Of exactly 200 bytes: the target that cost per request is measured on.
fn home() -> Response {
    const BODY: &[u8; 200] = b"{\"shop\":\"loadhost demo\",\"paths\":[\"/login\",\"/items\",\"/item/{id}\",\"/cart\",\"/checkout\",\"/slow\",\"/status/{code}\",\"/broken/{fault}\",\"/redirect/{n}\",\"/gzip\",\"/echo\",\"/_stats\"],\"padding\":\"................\"}\n";
    let mut response = Response::new(Body::from(&BODY[..]));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[derive(Deserialize)]
struct Login {
    user: String,
    password: String,
}

async fn login(shop: &Shop, request: Request) -> Response {
    let login: Login = match body(request).await {
        Ok(login) => login,
        Err(response) => return response,
    };
    if login.password != store::PASSWORD || login.user.is_empty() {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "wrong user or password; the password is `secret`",
        );
    }
    let session = format!("{:016x}", shop.store.open_session());
    let cookie = format!("session={session}; Path=/; HttpOnly");
    let body = Json(json!({ "ok": true, "user": login.user, "token": session }));
    ([(header::SET_COOKIE, cookie)], body).into_response()
}

fn items(page: u64) -> Response {
    const PER_PAGE: u64 = 20;
    let first = page.saturating_sub(1).saturating_mul(PER_PAGE) + 1;
    let items: Vec<_> = (first..first + PER_PAGE)
        .map_while(|id| u32::try_from(id).ok().and_then(store::item))
        .collect();
    Json(json!({ "page": page, "items": items })).into_response()
}

#[derive(Deserialize)]
struct Add {
    item: u32,
    #[serde(default = "one")]
    quantity: u32,
}

fn one() -> u32 {
    1
}

async fn cart(shop: &Shop, request: Request) -> Response {
    let session = session(request.headers());
    let add: Add = match body(request).await {
        Ok(add) => add,
        Err(response) => return response,
    };
    match shop.store.add(session, add.item, add.quantity) {
        Ok(total) => Json(total).into_response(),
        Err(refusal) => refused(refusal),
    }
}

#[derive(Serialize)]
struct Order {
    ok: bool,
    order: u64,
    #[serde(flatten)]
    total: store::Total,
}

async fn checkout(shop: &Shop, request: Request) -> Response {
    match shop.store.check_out(session(request.headers())) {
        Ok((order, total)) => {
            (StatusCode::CREATED, Json(Order { ok: true, order, total })).into_response()
        }
        Err(refusal) => refused(refusal),
    }
}

fn refused(refusal: Refusal) -> Response {
    match refusal {
        Refusal::NoSession => refuse(StatusCode::UNAUTHORIZED, "log in first: POST /login"),
        Refusal::NoItem => refuse(StatusCode::NOT_FOUND, "no such item"),
        Refusal::EmptyCart => refuse(StatusCode::CONFLICT, "the cart is empty: POST /cart"),
        Refusal::FullCart => refuse(StatusCode::CONFLICT, "the cart is full"),
    }
}

/// The cookie `session`, if it looks like one.
fn session(headers: &HeaderMap) -> Option<u64> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| pair.trim().strip_prefix("session="))
        .and_then(|id| u64::from_str_radix(id, 16).ok())
}

fn redirect(n: &str) -> Response {
    match n.parse::<u32>() {
        Ok(0) => Json(json!({ "arrived": true })).into_response(),
        Ok(n) => (StatusCode::FOUND, [(header::LOCATION, format!("/redirect/{}", n - 1))])
            .into_response(),
        Err(_) => missing(),
    }
}

fn gzip() -> Response {
    let text = json!({ "compressed": true, "padding": "loadhost ".repeat(200) }).to_string();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let bytes = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    match bytes {
        Ok(bytes) => {
            let headers =
                [(header::CONTENT_TYPE, "application/json"), (header::CONTENT_ENCODING, "gzip")];
            (headers, bytes).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn echo(request: Request) -> Response {
    let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
    match to_bytes(request.into_body(), MAX_BODY).await {
        Ok(bytes) => {
            let mut response = Response::new(Body::from(bytes));
            if let Some(content_type) = content_type {
                response.headers_mut().insert(header::CONTENT_TYPE, content_type);
            }
            response
        }
        Err(_) => refuse(StatusCode::PAYLOAD_TOO_LARGE, "at most 1 MiB"),
    }
}

async fn only<F>(method: Method, request: Request, then: impl FnOnce(Request) -> F) -> Response
where
    F: Future<Output = Response>,
{
    if request.method() == method {
        then(request).await
    } else {
        refuse(StatusCode::METHOD_NOT_ALLOWED, &format!("use {method}"))
    }
}

/// JSON unless the request says it is a form.
async fn body<T: DeserializeOwned>(request: Request) -> Result<T, Response> {
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    if is_form {
        let form = axum::Form::<T>::from_request(request, &()).await;
        return form
            .map(|form| form.0)
            .map_err(|error| refuse(StatusCode::BAD_REQUEST, &error.to_string()));
    }
    json_body(request).await
}

/// JSON whatever the request says it is, since `curl -d` says it is a form.
async fn json_body<T: DeserializeOwned>(request: Request) -> Result<T, Response> {
    let bytes = to_bytes(request.into_body(), MAX_BODY)
        .await
        .map_err(|_| refuse(StatusCode::PAYLOAD_TOO_LARGE, "at most 1 MiB"))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| refuse(StatusCode::BAD_REQUEST, &error.to_string()))
}

fn query(request: &Request, name: &str) -> Option<u64> {
    let pairs = request.uri().query()?.split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)?.1.parse().ok()
}

fn missing() -> Response {
    let paths: Vec<Value> = Endpoint::ALL
        .iter()
        .map(|endpoint| json!({ "path": endpoint.name(), "what": endpoint.help() }))
        .collect();
    (StatusCode::NOT_FOUND, Json(json!({ "message": "no such path", "paths": paths })))
        .into_response()
}

fn refuse(status: StatusCode, message: &str) -> Response {
    (status, Json(json!({ "ok": false, "message": message }))).into_response()
}
