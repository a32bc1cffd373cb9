//! A small shop to try scenarios on, and the truth that tests and benchmarks compare with.
//!
//! [`serve`] answers on a listener until it is told to stop. Its own counters and
//! histograms, taken where a request is handled, are readable at `GET /_stats`; nothing
//! here is shared with the engine that measures from the other side.

mod counters;
mod faults;
mod io;
mod routes;
mod settings;
mod store;

use std::future::IntoFuture;
use std::io as std_io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::response::Response;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub use self::counters::{Connections, PathReport, ShopReport};
pub use self::settings::{Settings, SettingsError};

use self::counters::Counters;
use self::io::{Connection, ShopListener};
use self::settings::Mood;
use self::store::Store;

/// How long open exchanges may go on after the stop.
const GRACE: Duration = Duration::from_millis(500);

/// What all requests share.
struct Shop {
    store: Store,
    counters: Arc<Counters>,
    mood: Mood,
}

/// Answers on `listener` until `stop` is cancelled.
///
/// Answers that take longer than half a second after that are cut off.
pub async fn serve(
    listener: TcpListener,
    settings: Settings,
    stop: CancellationToken,
) -> std_io::Result<()> {
    let counters = Arc::new(Counters::new());
    let listener = ShopListener::new(listener, Arc::clone(&counters));
    let shop = Arc::new(Shop { store: Store::default(), counters, mood: Mood::new(settings) });
    let service = Router::new()
        .fallback(answer)
        .with_state(shop)
        .into_make_service_with_connect_info::<Connection>();
    let server = axum::serve(listener, service)
        .with_graceful_shutdown(stop.clone().cancelled_owned())
        .into_future();
    tokio::select! {
        result = server => result,
        () = async { stop.cancelled().await; tokio::time::sleep(GRACE).await } => Ok(()),
    }
}

async fn answer(
    State(shop): State<Arc<Shop>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
) -> Response {
    let started = Instant::now();
    let endpoint = routes::Endpoint::of(request.uri().path());
    if endpoint.is_control() {
        return routes::control(&shop, endpoint, request).await;
    }
    // Counted before the delays: a client that gives up is a request too.
    let counted = shop.counters.begin(endpoint, request.method(), started);
    let response = match shop.mood.before(endpoint).await {
        Some(trouble) => trouble,
        None => routes::answer(&shop, endpoint, &connection, request).await,
    };
    counted.end(response.status().as_u16());
    response
}

#[cfg(test)]
mod tests;
