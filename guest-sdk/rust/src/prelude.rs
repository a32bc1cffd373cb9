//! What a scenario needs: `use loadhost_sdk::prelude::*;`

pub use crate::data::{Row, rows};
pub use crate::failure::{Failure, OrFail, Outcome, abort_run, done, fail, stop_user};
pub use crate::http::{
    Multipart, Request, Response, Summary, batch, clear_cookies, cookie, delete, fetch_all, get,
    head, options, patch, post, put, request, set_cookie,
};
pub use crate::metrics::{check, counter, gauge, group, rate, trend};
pub use crate::random::{chance, fraction, pick, range, shuffle};
pub use crate::scope::{Context, Setup, given};
pub use crate::shape::{LoadShape, Now, Target};
pub use crate::shared::{rendezvous, shared_counter, unique_number};
pub use crate::time::{elapsed, millis, secs, sleep};
pub use crate::{Params, debug, error, export, info, json, on_start, on_stop, task, user, warn};
pub use std::time::Duration;
