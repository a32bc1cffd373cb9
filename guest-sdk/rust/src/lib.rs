//! Write load-test scenarios for loadhost in Rust.

// The macros write `::loadhost_sdk::…`, here as elsewhere.
extern crate self as loadhost_sdk;

#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod bindings;
pub mod description;
#[cfg(target_arch = "wasm32")]
mod export;
mod failure;
mod host;
pub mod http;
#[doc(hidden)]
pub mod log;
pub mod metrics;
mod params;
pub mod prelude;
mod random;
mod scenario;
mod scope;
mod shape;
#[cfg(not(target_arch = "wasm32"))]
pub mod test;
mod time;
mod user;

pub use failure::{Failure, IntoOutcome, OrFail, Outcome, abort_run, fail, stop_user};
pub use loadhost_sdk_macros::{Params, export, on_start, on_stop, task, user};
pub use params::ParamValue;
pub use scenario::ScenarioDefinition;
pub use scope::{Context, Given, Hook, Scope, Setup, given};
pub use serde_json::json;
pub use shape::{LoadShape, Now, Target};
pub use user::{AnyUser, User};

/// What the macros write code with. Not for authors; changes without notice.
#[doc(hidden)]
pub mod private {
    #[cfg(target_arch = "wasm32")]
    pub use crate::export::{Export, ExportShape};
    pub use crate::scenario::merge_parameters;
    use serde::Serialize;

    use crate::failure::{Failure, Outcome};
    use crate::params::ParamValue;

    /// A parameter's value in this run.
    pub fn param_value<T: ParamValue>(name: &str, default: Option<&str>) -> Outcome<T> {
        let text = crate::host::param(name);
        let Some(text) = text.as_deref().or(default).or(T::ABSENT) else {
            return Err(Failure::AbortRun(format!(
                "parameter `{name}` has no value: give `--param {name}=…`"
            )));
        };
        T::parse(text).map_err(|why| Failure::AbortRun(format!("parameter `{name}`: {why}")))
    }

    /// What `setup` returned, as text.
    pub fn to_setup_data<T: Serialize>(data: &T) -> Outcome<String> {
        let fault = |error| Failure::AbortRun(format!("the setup data has no JSON form: {error}"));
        serde_json::to_string(data).map_err(fault)
    }
}

/// Writes the exports of a component; nothing when compiled natively.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    ($scenario:ident $(, $shape:ty)?) => {
        const _: () = {
            type Component = $crate::private::Export<$scenario>;
            $crate::bindings::scenario::export_scenario!(Component with_types_in $crate::bindings::scenario);
            $(
                type Shape = $crate::private::ExportShape<$shape>;
                $crate::bindings::shape::export_shape!(Shape with_types_in $crate::bindings::shape);
            )?
        };
    };
}

/// Writes the exports of a component; nothing when compiled natively.
#[cfg(not(target_arch = "wasm32"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __export_component {
    ($scenario:ident $(, $shape:ty)?) => {
        $(const _: fn() -> $shape = <$shape as ::core::default::Default>::default;)?
    };
}
