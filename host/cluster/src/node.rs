//! A master: it stands for election, coordinates while it leads, and speaks for the leader else.
//!
//! Whoever starts, changes, stops or watches runs has one [`Handle`], whoever leads:
//!
//! ```text
//! Handle ──> desk ──┬── leading:     the coordinator in this process, resumed from the store
//!                   └── standing by: lh.<c>.ctl ──> the leader; its views come by lh.<c>.view
//! ```
//!
//! [`Node::start`] joins; [`Node::stop`] hands over: runs go on under the next leader.

mod circle;
mod courier;
mod reign;
mod service;
mod shown;

use std::sync::Arc;
use std::time::Duration;

use loadhost_control::ports::{Room, ShapeFactory, StateStore};
use loadhost_control::view::MastersView;
use loadhost_control::{Command, CoordinatorConfig, Desk, Handle};
use loadhost_model::id::Incarnation;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::connect::Connection;
use crate::fleet::{FleetConfig, JoinError, Membership, subscribe};
use crate::lease::Leadership;
use circle::Circle;
use courier::Courier;
use reign::{Government, Reign};
pub use service::{Service, ServiceError, Services};

/// Questions of handles that a master works on at a time; waiting for the end of a run is one.
/// More are refused and counted as `questions_refused`.
const OPEN: usize = 1_024;

/// How a master works.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// How it takes part.
    pub fleet: FleetConfig,
    /// How it coordinates while it leads; the term is set by the election.
    pub coordinator: CoordinatorConfig,
    /// Where it serves page and API, for other masters to show.
    pub url: Option<String>,
}

/// What a master needs besides the broker.
#[derive(Clone)]
pub struct NodeParts {
    /// Where state is kept between leaders.
    pub store: Arc<dyn StateStore>,
    /// Makes load shapes from modules.
    pub shapes: Arc<dyn ShapeFactory>,
    /// Whether this master can take one more run while it leads.
    pub room: Room,
}

/// A master among others.
pub struct Node {
    connection: Connection,
    membership: Arc<Membership>,
    handle: Handle,
    reigning: watch::Receiver<Option<Reign>>,
    trouble: watch::Receiver<Option<String>>,
    masters: watch::Receiver<Arc<MastersView>>,
    services: Services,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Node {
    /// Joins the fleet's masters, and leads when nobody else does.
    ///
    /// # Errors
    /// If the broker does not give streams or subscriptions.
    pub async fn start(
        connection: &Connection,
        config: NodeConfig,
        parts: NodeParts,
    ) -> Result<Node, JoinError> {
        let (patience, own) = (config.fleet.lease, config.fleet.incarnation);
        let membership = Membership::join(connection, &config.fleet, config.url.clone()).await?;
        let membership = Arc::new(membership);
        let names = membership.names().clone();
        let views = subscribe(connection, names.view()).await?;
        let logs = subscribe(connection, names.all_logs()).await?;
        let services = Services::new(connection, &membership, own);
        let orders = services.ear().await?;
        let (handle, desk) = Handle::pair();
        let (reigns, reigning) = watch::channel(None);
        let (troubles, trouble) = watch::channel(None);
        let stop = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let courier = Courier {
            connection: connection.clone(),
            names,
            reigning: reigning.clone(),
            leadership: membership.leadership(),
            trouble: trouble.clone(),
            views: handle.view(),
            store: parts.store.clone(),
            patience,
        };
        let government = Government {
            connection: connection.clone(),
            membership: membership.clone(),
            config: config.coordinator,
            parts,
            reigns,
            troubles,
        };
        let Desk { commands, views: show, logs: say } = desk;
        let masters = membership.masters();
        let shown = shown::Shown::new(connection.clone(), courier.names.clone(), show, masters);
        tasks.spawn(government.govern(stop.clone()));
        tasks.spawn(shown.follow(reigning.clone(), views, stop.clone()));
        tasks.spawn(shown::logs(connection.clone(), logs, say, stop.clone()));
        tasks.spawn(services.clone().obey(orders, stop.clone()));
        tasks.spawn(serve(courier, commands, stop.clone()));
        let connection = connection.clone();
        let (show, masters) = watch::channel(Arc::default());
        let mut node = Node {
            connection,
            membership,
            handle,
            reigning,
            trouble,
            masters,
            services,
            stop,
            tasks,
        };
        node.tasks.spawn(node.circle(own).show(show, node.stop.clone()));
        Ok(node)
    }

    fn circle(&self, own: Incarnation) -> Circle<impl Fn() -> Result<(), String> + use<>> {
        Circle {
            own,
            masters: self.membership.masters(),
            seen: self.membership.seen(),
            leadership: self.membership.leadership(),
            ready: self.readiness(),
        }
    }

    /// All masters that this one knows of, who leads, and what is wrong; changes within half a second.
    pub fn masters(&self) -> watch::Receiver<Arc<MastersView>> {
        self.masters.clone()
    }

    /// Takes masters out of service, this one or others, and back.
    pub fn services(&self) -> Services {
        self.services.clone()
    }

    /// Whether this master is out of service.
    pub fn draining(&self) -> watch::Receiver<bool> {
        self.membership.draining()
    }

    /// For whoever starts, changes, stops or watches runs.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Who leads, from now on.
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.membership.leadership()
    }

    /// Says at any moment whether work can be taken, by this master or through it, and if not,
    /// why not.
    pub fn readiness(&self) -> impl Fn() -> Result<(), String> + Send + Sync + 'static + use<> {
        let (reigning, trouble) = (self.reigning.clone(), self.trouble.clone());
        let (connection, leadership) = (self.connection.clone(), self.membership.leadership());
        move || {
            if !connection.connected() {
                let addresses = connection.addresses();
                return Err(format!("the NATS server at {addresses} is not connected"));
            }
            if let Some(reign) = reigning.borrow().as_ref() {
                let suspended = "this master leads and cannot renew its lease";
                return if reign.acts() { Ok(()) } else { Err(suspended.into()) };
            }
            let leadership = leadership.borrow();
            if let Some(trouble) = reign::trouble_of(&leadership, &trouble) {
                return Err(format!("this master cannot take over: {trouble}"));
            }
            match leadership.leader() {
                Some(_) => Ok(()),
                None => Err("no master leads".into()),
            }
        }
    }

    /// Leaves: what is needed is saved, the term released, and runs go on under the next leader.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        self.membership.leave().await;
    }
}

/// Works on what handles ask for, each in a task of its own.
async fn serve(courier: Courier, mut commands: mpsc::Receiver<Command>, stop: CancellationToken) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return, // Dropping a task drops its answer: `Closed`.
            Some(_) = open.join_next() => {}
            command = commands.recv() => match command {
                Some(_) if open.len() >= OPEN => courier.connection.counters().questions_refused.one(),
                Some(command) => {
                    open.spawn(courier.clone().carry(command));
                }
                None => return,
            },
        }
    }
}

/// Between looks at what has changed, when nothing says so.
const LOOK: Duration = Duration::from_millis(500);
