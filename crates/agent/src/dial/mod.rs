//! Agents that dial in: where no dashboard reaches an agent, the agent opens the connection, and is called over it.
//!
//! ```text
//! agent ── GET /api/agents/dial, with the token ──► dashboard      a WebSocket, through whatever passes those on
//! agent ◄────── HTTP/2: the calls of an agent ───── dashboard      in its binary messages
//! ```
//!
//! What is called over it, and who may, is as for an agent that listens.

mod dashboard;
mod pace;
mod websocket;

pub use dashboard::{DashboardClient, Dialed, TokenCheck};
pub use pace::{Attempt, Pace};
pub use tokio_tungstenite::tungstenite::protocol::Role as WebSocketRole;
pub use websocket::{ByteStream, accept_key, over_websocket};

/// What an agent asks a dashboard for, below its URL.
pub const PATH: [&str; 3] = ["api", "agents", "dial"];
/// The header that tells one process of an agent from another.
pub const INSTANCE: &str = "memdeck-instance";
