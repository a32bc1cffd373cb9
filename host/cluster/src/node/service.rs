//! Masters out of service, and back.
//!
//! A master that is out of service hands over, stands for no election and goes on serving page, API and
//! live streams, until whoever sends it requests has gone elsewhere. Any master can be asked to take any
//! out: the order goes over the broker to the one it names. It is of the process; started anew it serves.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt;
use loadhost_model::id::Incarnation;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::connect::Connection;
use crate::fleet::{JoinError, Membership, subscribe};
use crate::masters::MasterPresence;

/// For a master's answer; it is only taken note of.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Core NATS may lose an order, and it can be given twice without harm.
const ATTEMPTS: u32 = 2;

/// Whether a master serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// It may lead, and says that it is ready.
    In,
    /// It leads no longer, and says that it is not ready.
    Out,
}

/// Why a master is not taken out of service, or back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// Nobody is called so.
    #[error("there is no master `{master}`; there are {known}")]
    Unknown {
        /// Asked for.
        master: String,
        /// Those there are.
        known: String,
    },
    /// All others are out of service, or there are none.
    #[error("`{0}` is the only master in service: nobody else could lead")]
    Last(String),
    /// It cannot be reached.
    #[error("master `{0}` does not answer")]
    Silent(String),
}

/// Gives orders about service to masters; clones are alike.
#[derive(Clone)]
pub struct Services {
    connection: Connection,
    membership: Arc<Membership>,
    own: Incarnation,
    masters: watch::Receiver<Vec<MasterPresence>>,
}

impl Services {
    pub(super) fn new(
        connection: &Connection,
        membership: &Arc<Membership>,
        own: Incarnation,
    ) -> Self {
        let (connection, membership) = (connection.clone(), membership.clone());
        let masters = membership.masters();
        Self { connection, membership, own, masters }
    }

    /// Takes the master of this name out of service, or back. It goes on serving in any case.
    ///
    /// # Errors
    /// If there is none, it is the only one, or it does not answer.
    pub async fn put(&self, master: &str, service: Service) -> Result<(), ServiceError> {
        let incarnation = chosen(&self.masters.borrow(), master, service)?;
        if incarnation == self.own {
            self.put_own(service);
            return Ok(());
        }
        let silent = || ServiceError::Silent(master.to_string());
        let order = serde_json::to_vec(&service).unwrap_or_default();
        let subject = self.membership.names().service(incarnation);
        for _ in 0..ATTEMPTS {
            let asked = self.connection.client.request(subject.clone(), order.clone().into());
            if let Ok(Ok(_)) = tokio::time::timeout(ANSWER_WITHIN, asked).await {
                return Ok(());
            }
        }
        Err(silent())
    }

    /// The same for this master, also if it is the only one: it is about to stop.
    pub fn put_own(&self, service: Service) {
        info!(?service, "service");
        self.membership.set_draining(service == Service::Out);
    }

    /// Where this master is told.
    pub(super) async fn ear(&self) -> Result<Subscriber, JoinError> {
        subscribe(&self.connection, self.membership.names().service(self.own)).await
    }

    /// Does what others ask of this master, until `stop`.
    pub(super) async fn obey(self, mut orders: Subscriber, stop: CancellationToken) {
        while let Some(Some(order)) = stop.run_until_cancelled(orders.next()).await {
            let Some(reply) = order.reply else { continue };
            let Ok(service) = serde_json::from_slice(&order.payload) else { continue };
            self.put_own(service);
            // Who asked asks again if it hears nothing.
            let _ = self.connection.client.publish(reply, "{}".into()).await;
        }
    }
}

/// The process of the master of this name.
fn chosen(
    masters: &[MasterPresence],
    name: &str,
    service: Service,
) -> Result<Incarnation, ServiceError> {
    let Some(found) = masters.iter().find(|master| master.id == name) else {
        let names: Vec<_> = masters.iter().map(|master| format!("`{}`", master.id)).collect();
        let (master, known) = (name.to_string(), names.join(", "));
        return Err(ServiceError::Unknown { master, known });
    };
    let others = masters.iter().filter(|other| other.incarnation != found.incarnation);
    let nobody_else = others.clone().all(|other| other.draining);
    if service == Service::Out && nobody_else {
        return Err(ServiceError::Last(name.to_string()));
    }
    Ok(found.incarnation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(number: u64, draining: bool) -> MasterPresence {
        MasterPresence {
            id: format!("m{number}"),
            incarnation: Incarnation(number),
            priority: 0,
            release: "0.1.0".into(),
            term: None,
            acting: false,
            url: None,
            draining,
        }
    }

    #[test]
    fn the_last_master_in_service_stays_there() {
        let two = [master(1, false), master(2, false)];
        assert_eq!(chosen(&two, "m1", Service::Out), Ok(Incarnation(1)));
        let one = [master(1, false), master(2, true)];
        assert_eq!(chosen(&one, "m1", Service::Out), Err(ServiceError::Last("m1".into())));
        assert_eq!(chosen(&one, "m2", Service::Out), Ok(Incarnation(2)), "again is no harm");
        assert_eq!(chosen(&one, "m2", Service::In), Ok(Incarnation(2)));
    }

    #[test]
    fn who_asks_for_an_unknown_master_is_told_which_there_are() {
        let error = chosen(&[master(1, false), master(2, false)], "m9", Service::In);
        let said = error.map_err(|error| error.to_string());
        assert_eq!(said, Err("there is no master `m9`; there are `m1`, `m2`".to_string()));
    }
}
