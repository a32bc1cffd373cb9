//! What page and API of this process are made of: fleet, shelf, workbench, masters.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use loadhost_cluster::node::{Service, ServiceError, Services};
use loadhost_cluster::subjects::Names;
use loadhost_cluster::trust::SigningKey;
use loadhost_cluster::{Connection, NatsShelf, Node};
use loadhost_control::Handle;
use loadhost_control::ports::{Drawer, FolderShelf, Listed, Shelf, ShelfBounds, ShelfError};
use loadhost_control::view::MastersView;
use loadhost_model::id::{ClusterId, Digest};
use loadhost_web::api::dto::Master;
use loadhost_web::site::{MasterRefusal, Site, Standing};

use crate::broker;
use crate::commands::key;
use crate::config::Effective;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::scenario_file::user_folder;
use crate::workbench::Bench;

/// What a fleet's masters keep together, in the broker.
pub(crate) async fn shelf(
    connection: &Connection,
    names: &Names,
    replicas: usize,
    settings: &Effective,
) -> Result<Arc<dyn Shelf>, Failure> {
    let patience = settings.duration("max-wait")?.unwrap_or_default();
    let open = async || NatsShelf::open(connection, names, replicas).await;
    let shelf = broker::insist(patience, open).await?;
    Ok(match settings.path("sign") {
        Some(path) => Arc::new(SigningShelf { shelf, key: key::read(&path)? }),
        None => Arc::new(shelf),
    })
}

/// Of a master among others.
pub(crate) fn of_master(
    node: &Node,
    cluster: &ClusterId,
    shelf: Arc<dyn Shelf>,
    bench: Arc<Bench>,
) -> Site {
    let (masters, services) = (node.masters(), node.services());
    Site {
        handle: node.handle().clone(),
        shelf,
        workbench: Some(bench),
        standing: Arc::new(move || standing(&masters.borrow())),
        drain: Some(Arc::new(move |master, drained| {
            Box::pin(put(services.clone(), master, drained))
        })),
        cluster: Some(cluster.to_string()),
    }
}

async fn put(services: Services, master: String, drained: bool) -> Result<(), MasterRefusal> {
    let service = if drained { Service::Out } else { Service::In };
    services.put(&master, service).await.map_err(|error| {
        let said = error.to_string();
        match error {
            ServiceError::Unknown { .. } => MasterRefusal::Unknown(said),
            ServiceError::Last(_) => MasterRefusal::Last(said),
            ServiceError::Silent(_) => MasterRefusal::Silent(said),
        }
    })
}

fn standing(view: &MastersView) -> Standing {
    let masters = view.masters.iter().map(|master| Master {
        id: master.id.clone(),
        url: master.url.clone(),
        leads: master.term.is_some(),
        draining: master.draining,
    });
    Standing {
        master: view.own.clone(),
        leader: view.leader.clone(),
        trouble: view.trouble.clone(),
        masters: masters.collect(),
    }
}

/// Of a process that runs one scenario: what came of its runs lies in the user's state folder.
pub(crate) fn of_one_run(handle: &Handle) -> Result<Site, Failure> {
    let folder = user_folder("XDG_STATE_HOME", ".local/state")
        .ok_or_else(|| {
            Failure::new(ExitCode::Configuration, "there is no home folder for the history of runs")
                .hint("set HOME or XDG_STATE_HOME")
        })?
        .join("run");
    let shelf = FolderShelf::open(folder, ShelfBounds::default()).map_err(|error| {
        Failure::new(ExitCode::OutputUnwritable, "the history of runs cannot be kept")
            .because(&error)
    })?;
    Ok(Site::single_run(handle.clone(), Arc::new(shelf)))
}

/// Signs what is handed over, for workers that run only what is signed.
struct SigningShelf {
    shelf: NatsShelf,
    key: SigningKey,
}

impl SigningShelf {
    async fn put_signed(&self, bytes: Bytes) -> Result<Digest, ShelfError> {
        let sign = |digest| self.key.sign(digest).map_err(|error| error.to_string());
        self.shelf.put_signed(bytes, sign).await
    }
}

impl Shelf for SigningShelf {
    fn put_file(&self, drawer: Drawer, bytes: Bytes) -> BoxFuture<'_, Result<Digest, ShelfError>> {
        match drawer {
            Drawer::Inputs => Box::pin(self.put_signed(bytes)),
            Drawer::Results => self.shelf.put_file(drawer, bytes),
        }
    }

    fn file(
        &self,
        drawer: Drawer,
        digest: Digest,
    ) -> BoxFuture<'_, Result<Option<Bytes>, ShelfError>> {
        self.shelf.file(drawer, digest)
    }

    fn delete_file(&self, drawer: Drawer, digest: Digest) -> BoxFuture<'_, Result<(), ShelfError>> {
        self.shelf.delete_file(drawer, digest)
    }

    fn put(&self, key: &str, document: Vec<u8>) -> BoxFuture<'_, Result<(), ShelfError>> {
        self.shelf.put(key, document)
    }

    fn get(&self, key: &str) -> BoxFuture<'_, Result<Option<Vec<u8>>, ShelfError>> {
        self.shelf.get(key)
    }

    fn list(&self, prefix: &str) -> BoxFuture<'_, Result<Listed, ShelfError>> {
        self.shelf.list(prefix)
    }

    fn delete(&self, key: &str) -> BoxFuture<'_, Result<(), ShelfError>> {
        self.shelf.delete(key)
    }
}
