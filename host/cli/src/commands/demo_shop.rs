//! `loadhost demo-shop`: something to load.

use loadhost_web::demo_shop::{Settings as ShopSettings, serve};

use super::{Layers, listen, runtime};
use crate::args::Settings;
use crate::config::{Effective, as_duration};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::signals::Stop;

/// Serves until it is told to stop.
pub(crate) fn demo_shop<const COMMAND: u8>(settings: Settings<COMMAND>) -> Outcome {
    let settings = Layers::read(settings)?.effective();
    // Each user of a load test is a connection here.
    loadhost_engine::capacity::raise_open_files();
    let threads = settings.number("demo-shop.threads")?;
    runtime(threads)?.block_on(shop(&settings))
}

async fn shop(settings: &Effective) -> Outcome {
    let address = settings.address("demo-shop.listen")?;
    let mood = mood(settings)?;
    let listener = listen(address.unwrap_or_else(|| ([127, 0, 0, 1], 8000).into())).await?;
    let stop = Stop::listen()?;
    if let Ok(address) = listener.local_addr() {
        println!("the demo shop is listening on http://{address}");
    }
    let served = tokio::select! {
        served = serve(listener, mood, stop.first.clone()) => served,
        () = stop.second.cancelled() => Ok(()),
    };
    served.map_err(|error| {
        Failure::new(ExitCode::Unexpected, "the shop cannot go on").because(&error)
    })?;
    Ok(ExitCode::Ok)
}

fn mood(settings: &Effective) -> Result<ShopSettings, Failure> {
    let duration = |key| Ok::<_, Failure>(settings.duration(key)?.unwrap_or_default());
    let slow_paths = settings.items("demo-shop.slow-paths").iter().map(|item| {
        Ok((item.name.clone().unwrap_or_default(), as_duration("demo-shop.slow-paths", item)?))
    });
    let mood = ShopSettings {
        delay: duration("demo-shop.delay")?,
        jitter: duration("demo-shop.jitter")?,
        error_rate: settings.number("demo-shop.error-rate")?.unwrap_or(0.0),
        stall_every: duration("demo-shop.stall-every")?,
        stall_for: duration("demo-shop.stall-for")?,
        slow_paths: slow_paths.collect::<Result<_, Failure>>()?,
    };
    mood.check().map_err(|error| {
        Failure::new(ExitCode::Configuration, "the shop cannot behave so").because(&error)
    })?;
    Ok(mood)
}
