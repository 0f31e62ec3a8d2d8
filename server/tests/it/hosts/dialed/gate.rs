//! The way between an agent and its dashboard, which can be cut, blocked and held up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What passes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// Connections stay, and nothing passes.
    HeldUp,
    /// No connection stays, and none is made.
    Blocked,
}

/// Listens in the place of a dashboard.
pub struct Gate {
    pub address: SocketAddr,
    way: watch::Sender<Way>,
    passed: Arc<AtomicU64>,
    made: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

impl Gate {
    pub async fn before(dashboard: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (way, present) = watch::channel(Way::Open);
        let passed = Arc::<AtomicU64>::default();
        let mut tasks = JoinSet::new();
        let (count, made) = (Arc::clone(&passed), Arc::<AtomicU64>::default());
        let connected = Arc::clone(&made);
        tasks.spawn(async move {
            // Those of the connections end with this one.
            let mut connections = JoinSet::new();
            loop {
                let (agent, _) = listener.accept().await.unwrap();
                if *present.borrow() == Way::Blocked {
                    continue;
                }
                connected.fetch_add(1, Ordering::SeqCst);
                let Ok(there) = TcpStream::connect(dashboard).await else { continue };
                let (present, count) = (present.clone(), Arc::clone(&count));
                connections.spawn(pass(agent, there, present, count));
            }
        });
        Self { address, way, passed, made, _tasks: tasks }
    }

    /// Connections that agents have made.
    pub fn made(&self) -> u64 {
        self.made.load(Ordering::SeqCst)
    }

    /// Bytes that went from agents to the dashboard.
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    /// Ends all connections, and lets none be made.
    pub fn block(&self) {
        self.way.send_replace(Way::Blocked);
    }

    pub fn hold_up(&self) {
        self.way.send_replace(Way::HeldUp);
    }

    pub fn open(&self) {
        self.way.send_replace(Way::Open);
    }
}

async fn pass(agent: TcpStream, dashboard: TcpStream, present: watch::Receiver<Way>, count: Arc<AtomicU64>) {
    let ((from_agent, to_agent), (from_dashboard, to_dashboard)) =
        (agent.into_split(), dashboard.into_split());
    let mut blocked = present.clone();
    tokio::select! {
        () = copy(from_agent, to_dashboard, present.clone(), Some(count)) => {}
        () = copy(from_dashboard, to_agent, present, None) => {}
        _ = blocked.wait_for(|way| *way == Way::Blocked) => {}
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut present: watch::Receiver<Way>,
    count: Option<Arc<AtomicU64>>,
) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(length) = from.read(&mut buffer).await {
        let _ = present.wait_for(|way| *way == Way::Open).await;
        if length == 0 || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
        if let Some(count) = &count {
            count.fetch_add(length as u64, Ordering::SeqCst);
        }
    }
}
